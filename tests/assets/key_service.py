"""A process that holds a signing key and gives away signatures only: `key_service.py KEY der|raw|fail|hang`."""

import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

key_file, manner = Path(sys.argv[1]), sys.argv[2]
digest = sys.stdin.buffer.read()
if manner == "fail":
    sys.exit("the token is locked")
if manner == "hang":
    time.sleep(60)
key = serialization.load_pem_private_key(key_file.read_bytes(), None)
signature = key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))
if manner == "raw":
    r, s = decode_dss_signature(signature)
    signature = r.to_bytes(32) + s.to_bytes(32)
sys.stdout.buffer.write(signature)
