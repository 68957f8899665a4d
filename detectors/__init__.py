"""Pixels and words to findings. Knows nothing of clips, policies or Postgres.

Imports neither watermark nor moderation; model runtimes only inside functions.
"""

import os

# Before numpy is first imported: the threads of its matrix products wait for one another by spinning, which costs many
# times what it saves on a busy machine. Clips are what is worked on in parallel. An operator's own choice stands.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
