"""What happens to a clip: intake, judgement, marks, review, release. Owns the database and the API.

Never imports review_ui.
"""

__version__ = "0.1.0"
