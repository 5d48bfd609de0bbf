"""Key pairs of GitHub Apps, by name. Each is made once in a session, because that takes a tenth of a second."""

from collections import defaultdict

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

KEYS: dict[str, RSAPrivateKey] = defaultdict(lambda: generate_private_key(65_537, 2_048))


def private_key(name: str = "app") -> str:
    """Returns the private key as PEM, as in GitHub's own files."""
    return KEYS[name].private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def public_key(name: str = "app") -> str:
    """Returns the public key as PEM."""
    return KEYS[name].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def elliptic_key() -> str:
    """Returns a valid private key as PEM, of a kind with which GitHub Apps cannot sign."""
    made = Ed25519PrivateKey.generate()
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
