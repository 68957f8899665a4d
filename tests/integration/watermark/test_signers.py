"""Keys that this process never sees, and certificates that C2PA accepts or not."""

import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from watermark.authority import CLAIM_SIGNING, DOCUMENT_SIGNING, SIGNING_PURPOSES, open_authority
from watermark.credentials import CredentialsState, Signer, SignerFailed, SigningFailed, Trust, read, sign
from watermark.signers import (
    CommandKey,
    FileKey,
    SignerUnusable,
    demand_profile,
    ends_at,
    read_chain,
    root_of,
    signer_with,
)

ASSETS = Path(__file__).parents[2] / "assets"
NOW = datetime.now(UTC)


@dataclass
class Kept:
    """A production key as files: the leaf's key, and its chain."""

    key: Path
    chain: Path
    root_pem: str

    def service(self, manner: str, seconds: float = 20.0) -> CommandKey:
        arguments = [sys.executable, str(ASSETS / "key_service.py"), str(self.key), manner]
        return CommandKey(arguments=arguments, timeout_seconds=seconds)

    def signer(self, manner: str, seconds: float = 20.0) -> Signer:
        return signer_with(self.service(manner, seconds), read_chain(self.chain))


def keep(folder: Path, leaf, root_pem: str) -> Kept:
    private = leaf.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    (folder / "chain.pem").write_text(leaf.pem() + root_pem)
    return Kept(folder / "key.pem", folder / "chain.pem", root_pem)


@pytest.fixture
def kept(issue, tmp_path: Path) -> Kept:
    root = open_authority(tmp_path / "ca", now=NOW)
    return keep(tmp_path, issue(tmp_path / "ca", NOW + timedelta(days=90)), root.root_pem)


@pytest.mark.parametrize("manner", ["der", "raw"])
def test_another_process_signs_and_keeps_its_key(manner: str, clip, spec, kept: Kept, tmp_path: Path):
    """DER is what key services answer, r||s what PKCS#11 does."""
    demand_profile(read_chain(kept.chain), NOW)
    sign(clip, tmp_path / "out.mp4", spec, kept.signer(manner))
    reading = read(tmp_path / "out.mp4", Trust(own_pem=kept.root_pem))
    assert (reading.state, reading.ours) == (CredentialsState.TRUSTED, True)


def test_a_key_file_signs(clip, spec, kept: Kept, tmp_path: Path):
    sign(clip, tmp_path / "out.mp4", spec, signer_with(FileKey.read(kept.key), read_chain(kept.chain)))
    assert read(tmp_path / "out.mp4", Trust(own_pem=root_of(read_chain(kept.chain)))).ours


@pytest.mark.parametrize(
    ("manner", "seconds", "says"),
    [("fail", 20.0, "the token is locked"), ("hang", 0.5, "did not sign within 0.5 seconds")],
)
def test_a_process_that_does_not_sign_is_named(manner, seconds, says, clip, spec, kept: Kept, tmp_path: Path):
    with pytest.raises(SignerFailed, match=says):
        sign(clip, tmp_path / "out.mp4", spec, kept.signer(manner, seconds))
    assert not (tmp_path / "out.mp4").exists()
    missing = signer_with(CommandKey(arguments=["/nowhere/sign"]), read_chain(kept.chain))
    with pytest.raises(SignerFailed, match="/nowhere/sign cannot be run"):
        sign(clip, tmp_path / "out.mp4", spec, missing)


def test_a_process_with_another_key_is_refused(clip, spec, kept: Kept, issue, tmp_path: Path):
    (tmp_path / "other").mkdir()
    other = keep(tmp_path / "other", issue(tmp_path / "ca", NOW + timedelta(days=90)), kept.root_pem)
    with pytest.raises(SignerFailed, match="does not belong"):
        sign(clip, tmp_path / "out.mp4", spec, replace(other.signer("der"), chain_pem=read_chain(kept.chain)))


PURPOSES = [
    (SIGNING_PURPOSES, True),
    ([ExtendedKeyUsageOID.EMAIL_PROTECTION], True),
    ([CLAIM_SIGNING], True),
    ([DOCUMENT_SIGNING], True),
    ([ExtendedKeyUsageOID.CODE_SIGNING], False),
    ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], False),
    ([*SIGNING_PURPOSES, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], False),
]


@pytest.mark.parametrize(("purposes", "accepted"), PURPOSES)
def test_our_word_on_a_certificate_s_purposes_is_the_library_s(purposes, accepted, clip, spec, issue, tmp_path):
    root = open_authority(tmp_path / "ca", now=NOW)
    leaf = issue(tmp_path / "ca", NOW + timedelta(days=90), purposes)
    chain = leaf.pem() + root.root_pem
    if not accepted:
        with pytest.raises(SignerUnusable, match="extended key usage"):
            demand_profile(chain, NOW)
        with pytest.raises(SigningFailed):
            sign(clip, tmp_path / "out.mp4", spec, Signer(sign=leaf.sign, chain_pem=chain))
        return
    demand_profile(chain, NOW)
    sign(clip, tmp_path / "out.mp4", spec, Signer(sign=leaf.sign, chain_pem=chain))
    assert read(tmp_path / "out.mp4", Trust(own_pem=root.root_pem)).state is CredentialsState.TRUSTED


def test_a_chain_that_cannot_sign_is_refused_with_every_reason(kept: Kept, tmp_path: Path):
    stranger = open_authority(tmp_path / "stranger", now=NOW)
    chain = read_chain(kept.chain)
    assert ends_at(chain) < NOW + timedelta(days=91)
    leaf = chain[: chain.index("-----END CERTIFICATE-----") + 26]
    with pytest.raises(SignerUnusable, match="is not issued by what follows it"):
        demand_profile(leaf + stranger.root_pem, NOW)
    with pytest.raises(SignerUnusable, match="is valid from"):
        demand_profile(chain, NOW + timedelta(days=100))
    with pytest.raises(SignerUnusable, match="self-signed; its extended key usage names neither"):
        demand_profile(kept.root_pem, NOW)
    demand_profile(leaf, NOW)
    assert root_of(leaf) is None
    assert root_of(chain) == kept.root_pem


def test_files_that_are_no_keys_or_chains_are_named(tmp_path: Path):
    (tmp_path / "x.pem").write_text("nothing")
    for_others = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())
    for key in for_others:
        (tmp_path / "k.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        with pytest.raises(SignerUnusable, match=r"k\.pem is no P-256 key"):
            FileKey.read(tmp_path / "k.pem")
    for path in (tmp_path / "x.pem", tmp_path / "none.pem"):
        with pytest.raises(SignerUnusable, match="no readable private key"):
            FileKey.read(path)
        with pytest.raises(SignerUnusable, match="holds no certificates"):
            read_chain(path)


def test_a_certificate_without_an_organisation_is_refused(kept: Kept, tmp_path: Path):
    root_file = (tmp_path / "ca" / "root.pem").read_bytes()
    root_key = serialization.load_pem_private_key(root_file, None)
    leaf = x509.load_pem_x509_certificates(read_chain(kept.chain).encode())[0]
    bare = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(leaf.issuer).public_key(leaf.public_key())
    bare = bare.serial_number(1).not_valid_before(leaf.not_valid_before_utc).not_valid_after(leaf.not_valid_after_utc)
    pem = bare.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(SignerUnusable, match=r"extended key usage.*digitalSignature.*no organisation"):
        demand_profile(pem + kept.root_pem, NOW)
