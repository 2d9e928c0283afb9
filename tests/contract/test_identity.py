"""What the use cases may expect of the unit's signing identity, and which certificates it believes."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from alveary.adapters.folder import FolderProblem
from alveary.adapters.keys.certificates import covers
from alveary.adapters.keys.identity import CERTIFICATE, SIGNING_KEY, CertifiedIdentity, open_identity, self_signed
from alveary.config import Unit
from alveary.model.signatures import Hash, Signature
from tests.identities import NOW, NOW_MS, ROOT, YEAR, certificate, identity, root, rsa_key

HOST = "unit.example"
DATA = b"what is signed"
HASHES: dict[Hash, HashAlgorithm] = {Hash.SHA256: SHA256(), Hash.SHA384: SHA384(), Hash.SHA512: SHA512()}


def signature(by: x509.Certificate, *, key: str = HOST, hash_name: Hash = Hash.SHA256, **said: Any) -> Signature:
    value = rsa_key(key).sign(DATA, PKCS1v15(), HASHES[hash_name])
    der = by.public_bytes(Encoding.DER)
    return Signature(hash_name, said.get("signed", DATA), value, der, said.get("subject_name"))


def issued(**said: Any) -> x509.Certificate:
    authority = said.pop("issuer", None) or root()
    return certificate(HOST, issuer=authority, issuer_key=rsa_key(ROOT), **({"names": [HOST]} | said))


def believes(made: Signature, *roots: x509.Certificate, host: str = HOST, now_ms: int = NOW_MS) -> bool:
    return identity("judge.example", *roots).verifies(made, host, now_ms)


class TestBelieving:
    @pytest.mark.parametrize("hash_name", Hash)
    def test_a_certificate_of_a_trusted_root(self, hash_name: Hash) -> None:
        assert believes(signature(issued(), hash_name=hash_name), root())

    def test_a_root_without_constraints_may_certify(self) -> None:
        plain = certificate(ROOT)
        assert believes(signature(issued(issuer=plain)), plain)

    def test_a_trusted_certificate_is_its_own_root(self) -> None:
        own = self_signed(rsa_key(HOST), HOST, NOW)
        assert believes(signature(own), own)
        assert not believes(signature(own))

    def test_who_is_trusted_for_itself_certifies_no_one_else(self) -> None:
        own = self_signed(rsa_key(HOST), HOST, NOW)
        other = certificate("other.example", names=["other.example"], issuer=own, issuer_key=rsa_key(HOST))
        assert not believes(signature(other, key="other.example"), own, host="other.example")

    def test_the_units_own_certificate_needs_no_root_and_no_host(self) -> None:
        own = identity(HOST)
        made = Signature(Hash.SHA256, DATA, own.sign(DATA), own.certificate, own.subject_name)
        assert own.verifies(made, "elsewhere.example", NOW_MS)
        assert not own.verifies(Signature(Hash.SHA512, DATA, made.value, made.certificate, None), HOST, NOW_MS)
        assert own.is_own(own.certificate)
        assert not own.is_own(identity("judge.example").certificate)

    def test_no_root(self) -> None:
        assert not believes(signature(issued()))

    def test_another_root_of_the_same_name(self) -> None:
        assert not believes(signature(issued()), root(key=rsa_key("impostor")))

    def test_another_root_with_the_same_key(self) -> None:
        assert not believes(signature(issued()), root("Another", key=rsa_key(ROOT)))

    def test_two_steps(self) -> None:
        middle = root("Middle", issuer=root(), issuer_key=rsa_key(ROOT))
        leaf = certificate(HOST, names=[HOST], issuer=middle, issuer_key=rsa_key("Middle"))
        assert not believes(signature(leaf), root())
        assert believes(signature(leaf), middle)

    @pytest.mark.parametrize("late", [timedelta(seconds=-1), timedelta(seconds=1)])
    def test_the_validity_of_certificate_and_root(self, late: timedelta) -> None:
        until, after = {"ends": NOW + late}, {"begins": NOW + late, "ends": NOW + YEAR}
        assert believes(signature(issued(**until)), root()) is (late > timedelta(0))
        assert believes(signature(issued(**after)), root()) is (late < timedelta(0))
        assert believes(signature(issued()), root(**until)) is (late > timedelta(0))
        assert believes(signature(issued()), root(**after)) is (late < timedelta(0))

    def test_a_short_key(self) -> None:
        short = rsa_key("short", 1024)
        leaf = issued(key=short)
        made = Signature(
            Hash.SHA256, DATA, short.sign(DATA, PKCS1v15(), SHA256()), leaf.public_bytes(Encoding.DER), None
        )
        assert not believes(made, root())

    def test_another_text_or_key(self) -> None:
        assert not believes(signature(issued(), signed=b"other"), root())
        assert not believes(signature(issued(), key="impostor"), root())

    def test_a_name_beside_the_certificate_is_its_subject(self) -> None:
        assert believes(signature(issued(), subject_name=f"CN={HOST}"), root())
        for wrong in ("", "CN=other.example", f"O={HOST}", f"CN={HOST},O=x", "nonsense"):
            assert not believes(signature(issued(), subject_name=wrong), root()), wrong

    def test_a_name_may_be_written_as_other_units_do(self) -> None:
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
                x509.NameAttribute(NameOID.COMMON_NAME, HOST),
                x509.NameAttribute(NameOID.EMAIL_ADDRESS, "pcs"),
            ]
        )
        key = rsa_key(HOST)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        own = builder.serial_number(1).not_valid_before(NOW - YEAR).not_valid_after(NOW + YEAR).sign(key, SHA256())
        for text in (f"1.2.840.113549.1.9.1=#1603706373,CN={HOST},C=JP", own.subject.rfc4514_string()):
            assert believes(signature(own, subject_name=text), own), text

    def test_bytes_that_are_no_certificate(self) -> None:
        good = signature(issued())
        for der in (b"", b"nonsense", good.certificate[:-1], good.certificate + b"\0"):
            assert not believes(Signature(good.hash, good.signed, good.value, der, None), root())

    def test_a_certificate_of_another_kind_of_key(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        made = certificate(HOST, names=[HOST], key=key, issuer=root(), issuer_key=rsa_key(ROOT))  # type: ignore[arg-type]
        value = key.sign(DATA, ec.ECDSA(SHA256()))
        assert not believes(Signature(Hash.SHA256, DATA, value, made.public_bytes(Encoding.DER), None), root())


class TestHosts:
    @pytest.mark.parametrize(
        ("names", "host", "fits"),
        [
            ([HOST], HOST, True),
            ([HOST], f"cell.{HOST}", True),
            ([HOST], f"a.b.{HOST}", True),
            ([HOST], f"evil{HOST}", False),
            ([HOST], "example", False),
            ([HOST], f"{HOST}.evil", False),
            ([HOST.upper()], HOST, True),
            ([f"*.{HOST}"], f"cell.{HOST}", True),
            ([f"*.{HOST}"], HOST, False),
            ([f"*.{HOST}"], f"a.b.{HOST}", False),
            (["other.example", HOST], HOST, True),
            (["*."], "localhost", False),
            (["10.0.0.1"], "10.0.0.1", True),
            (["10.0.0.1"], "110.0.0.1", False),
            (["::1"], "::1", True),
            (["::1"], "0:0:0:0:0:0:0:1", True),
        ],
    )
    def test_alternative_names(self, names: list[str], host: str, fits: bool) -> None:
        assert covers(certificate(HOST, names=names), host) is fits

    @pytest.mark.parametrize(
        ("common_name", "host", "fits"),
        [
            (HOST, HOST, True),
            (HOST, f"cell.{HOST}", True),
            (HOST, f"evil{HOST}", False),
            ("10.0.0.1", "10.0.0.1", True),
            ("0.1", "10.0.0.1", False),
        ],
    )
    def test_the_common_name_counts_when_there_are_no_others(self, common_name: str, host: str, fits: bool) -> None:
        assert covers(certificate(common_name, key=rsa_key(HOST)), host) is fits

    def test_it_counts_for_nothing_beside_them(self) -> None:
        assert not covers(certificate(HOST, names=["other.example"]), HOST)


class TestFiles:
    @pytest.fixture
    def warnings(self) -> list[tuple[str, dict[str, Any]]]:
        return []

    @pytest.fixture
    def opened(self, tmp_path: Path, warnings: list[tuple[str, dict[str, Any]]]) -> Callable[..., CertifiedIdentity]:
        def warn(message: str, **fields: Any) -> None:
            warnings.append((message, fields))

        def opened(unit: Unit | None = None, *, host: str = HOST, now_ms: int = NOW_MS) -> CertifiedIdentity:
            return open_identity(tmp_path / "secrets", unit or Unit(), host=host, now_ms=now_ms, warn=warn)

        return opened

    @pytest.mark.parametrize("host", [HOST, "127.0.0.1", "::1", "localhost", f"{'long.' * 20}example"])
    def test_the_first_start_makes_a_certificate_that_others_can_trust(
        self, opened: Callable[..., CertifiedIdentity], warnings: list[object], host: str
    ) -> None:
        made = opened(host=host)
        own = x509.load_der_x509_certificate(made.certificate)
        sealed = Signature(Hash.SHA256, DATA, made.sign(DATA), made.certificate, made.subject_name)
        assert believes(sealed, own, host=host)
        assert believes(sealed, own, host=host, now_ms=NOW_MS + 19 * 365 * 86_400_000)
        assert own.public_key().key_size == 2048  # type: ignore[union-attr]
        assert made.subject_name == f"CN={host[-64:]}"
        assert not warnings

    def test_its_files_are_the_owners_alone(self, opened: Callable[..., CertifiedIdentity], tmp_path: Path) -> None:
        opened()
        folder = tmp_path / "secrets"
        assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
            SIGNING_KEY: 0o600,
            CERTIFICATE: 0o600,
        }

    def test_a_restart_changes_nothing(self, opened: Callable[..., CertifiedIdentity]) -> None:
        assert opened().certificate == opened().certificate

    def test_a_certificate_that_a_crash_prevented_is_made_of_the_key_that_is_there(
        self, opened: Callable[..., CertifiedIdentity], tmp_path: Path
    ) -> None:
        first = opened()
        (tmp_path / "secrets" / CERTIFICATE).unlink()
        assert opened().key.public_key() == first.key.public_key()

    def test_another_host_or_time_is_warned_of_with_the_file(
        self, opened: Callable[..., CertifiedIdentity], warnings: list[tuple[str, dict[str, Any]]], tmp_path: Path
    ) -> None:
        first = opened()
        assert opened(host="moved.example").certificate == first.certificate
        opened(now_ms=NOW_MS + 21 * 365 * 86_400_000)
        assert [fields["file"] for _, fields in warnings] == [str(tmp_path / "secrets" / CERTIFICATE)] * 2

    def written(
        self,
        tmp_path: Path,
        *,
        form: PrivateFormat = PrivateFormat.PKCS8,
        encryption: KeySerializationEncryption | None = None,
        key: Any = None,
    ) -> Unit:
        key = key or rsa_key(HOST)
        (tmp_path / "k.pem").write_bytes(key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()))
        (tmp_path / "c.pem").write_bytes(issued().public_bytes(Encoding.PEM))
        return Unit(certificate=tmp_path / "c.pem", key=tmp_path / "k.pem")

    @pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
    def test_configured_files_are_taken_in_both_forms_of_keys(
        self, opened: Callable[..., CertifiedIdentity], tmp_path: Path, form: PrivateFormat
    ) -> None:
        given = opened(self.written(tmp_path, form=form))
        assert believes(Signature(Hash.SHA256, DATA, given.sign(DATA), given.certificate, None), root())
        assert not (tmp_path / "secrets").exists()

    def test_a_file_may_hold_several_roots(self, opened: Callable[..., CertifiedIdentity], tmp_path: Path) -> None:
        (tmp_path / "roots.pem").write_bytes(
            b"\n".join(each.public_bytes(Encoding.PEM) for each in (root("Another"), root()))
        )
        given = opened(Unit(trusted_roots=(tmp_path / "roots.pem",)), host="judge.example")
        assert given.verifies(signature(issued()), HOST, NOW_MS)

    def test_what_cannot_be_used_is_told_in_one_sentence(
        self, opened: Callable[..., CertifiedIdentity], tmp_path: Path
    ) -> None:
        (tmp_path / "broken.pem").write_text("nonsense")
        weak = certificate("weak", key=rsa_key("short", 1024), is_authority=True)
        (tmp_path / "weak.pem").write_bytes(weak.public_bytes(Encoding.PEM))
        good, missing, broken = self.written(tmp_path), tmp_path / "missing.pem", tmp_path / "broken.pem"
        assert good.certificate
        cases = {
            f"The file {missing} cannot be read: No such file or directory.": [
                Unit(certificate=good.certificate, key=missing),
                Unit(certificate=missing, key=good.key),
                Unit(trusted_roots=(missing,)),
            ],
            f"The file {broken} holds no private key in PEM form without a password.": [
                Unit(certificate=good.certificate, key=broken)
            ],
            f"The file {broken} holds no certificate in PEM form.": [
                Unit(certificate=broken, key=good.key),
                Unit(trusted_roots=(broken,)),
            ],
            f"A trusted root in {tmp_path / 'weak.pem'} has no RSA key of at least 2048 bits.": [
                Unit(trusted_roots=(tmp_path / "weak.pem",))
            ],
        }
        for sentence, units in cases.items():
            for unit in units:
                with pytest.raises(FolderProblem) as problem:
                    opened(unit)
                assert str(problem.value) == sentence

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            ({"encryption": BestAvailableEncryption(b"x")}, "without a password"),
            ({"key": rsa_key("impostor")}, "is not of the private key"),
            ({"key": rsa_key("short", 1024)}, "is not an RSA key of at least 2048 bits"),
            ({"key": ec.generate_private_key(ec.SECP256R1())}, "is not an RSA key of at least 2048 bits"),
        ],
        ids=["encrypted", "of another", "short", "elliptic"],
    )
    def test_a_key_that_does_not_fit_is_told_so(
        self, opened: Callable[..., CertifiedIdentity], tmp_path: Path, said: dict[str, Any], told: str
    ) -> None:
        with pytest.raises(FolderProblem, match=told):
            opened(self.written(tmp_path, **said))
