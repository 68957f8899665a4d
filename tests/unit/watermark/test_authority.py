"""The development authority: made once, reused, renewed in time, never replaced silently."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from watermark.authority import LEAF_FILE, ROOT_FILE, SIGNING_PURPOSES, AuthorityError, open_authority

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def chain(pem: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem.encode())


def test_the_leaf_has_the_profile_c2pa_asks_for(tmp_path: Path):
    authority = open_authority(tmp_path / "ca", now=NOW)
    leaf, root = chain(authority.chain_pem)
    assert root == chain(authority.root_pem)[0]
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    leaf.verify_directly_issued_by(root)
    constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    assert tuple(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == SIGNING_PURPOSES
    root_id = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == root_id
    assert leaf.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest != root_id
    assert leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert leaf.subject.get_attributes_for_oid(NameOID.COUNTRY_NAME)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=365)


def test_it_signs_with_the_leaf(tmp_path: Path):
    authority = open_authority(tmp_path / "ca", now=NOW)
    public = chain(authority.chain_pem)[0].public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(authority.sign(b"claim"), b"claim", ec.ECDSA(hashes.SHA256()))


def test_it_is_reused_and_its_keys_are_private(tmp_path: Path):
    folder = tmp_path / "ca"
    first, second = open_authority(folder, now=NOW), open_authority(folder, now=NOW + timedelta(days=300))
    assert (first.root_pem, first.chain_pem) == (second.root_pem, second.chain_pem)
    assert {(folder / name).stat().st_mode & 0o777 for name in (ROOT_FILE, LEAF_FILE)} == {0o600}
    assert sorted(path.name for path in folder.iterdir()) == [".lock", LEAF_FILE, ROOT_FILE]


@pytest.mark.parametrize(("days", "renewed"), [(333, False), (335, True), (1000, True), (-2, True)])
def test_a_leaf_near_its_end_is_renewed_under_the_same_root(tmp_path: Path, days: int, *, renewed: bool):
    before = open_authority(tmp_path, now=NOW)
    after = open_authority(tmp_path, now=NOW + timedelta(days=days))
    assert after.root_pem == before.root_pem
    assert (after.chain_pem != before.chain_pem) is renewed


def test_a_leaf_of_another_root_is_not_used(tmp_path: Path):
    open_authority(tmp_path / "a", now=NOW)
    other = open_authority(tmp_path / "b", now=NOW)
    (tmp_path / "b" / LEAF_FILE).write_bytes((tmp_path / "a" / LEAF_FILE).read_bytes())
    leaf, root = chain(open_authority(tmp_path / "b", now=NOW).chain_pem)
    assert root == chain(other.root_pem)[0]
    leaf.verify_directly_issued_by(root)


def test_a_damaged_root_is_an_error_and_stays_as_it_is(tmp_path: Path):
    open_authority(tmp_path, now=NOW)
    (tmp_path / ROOT_FILE).write_bytes(b"-----BEGIN PRIVATE KEY-----\nAAAA\n")
    with pytest.raises(AuthorityError, match=r"root\.pem is damaged"):
        open_authority(tmp_path, now=NOW)
    assert (tmp_path / ROOT_FILE).read_bytes().endswith(b"AAAA\n")


def test_a_key_that_is_not_the_certificate_s_is_an_error(tmp_path: Path):
    open_authority(tmp_path / "a", now=NOW)
    open_authority(tmp_path / "b", now=NOW)
    mine, theirs = ((tmp_path / name / ROOT_FILE).read_bytes() for name in "ab")
    cut = b"-----BEGIN CERTIFICATE"
    (tmp_path / "a" / ROOT_FILE).write_bytes(mine.split(cut)[0] + cut + theirs.split(cut)[1])
    with pytest.raises(AuthorityError, match="do not belong together"):
        open_authority(tmp_path / "a", now=NOW)


def test_a_root_near_its_end_signs_no_more(tmp_path: Path):
    open_authority(tmp_path, now=NOW)
    with pytest.raises(AuthorityError, match="too near its end"):
        open_authority(tmp_path, now=NOW + timedelta(days=3400))


def test_many_starts_at_once_make_one_authority(tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: open_authority(tmp_path / "ca", now=NOW), range(16)))
    assert len({authority.chain_pem for authority in made}) == 1
