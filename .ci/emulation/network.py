"""A network in which every name is this machine: a resolver that answers 127.0.0.1 to all, and certificates for AWS's names.

Usage: network.py certificates <folder> <names, separated by commas>
       network.py resolver
"""

import datetime
import ipaddress
import socketserver
import struct
import sys
from pathlib import Path

# A query for an IPv4 address is answered, any other has no answer: so there is no IPv6.
ADDRESS, INTERNET = 1, 1


def certificates(folder, names):
    """Writes ca.pem, and server.pem with server.key, signed by it. All of it is gone with the check."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.datetime.now(datetime.timezone.utc)

    def certificate(subject, issuer, public, signer, extensions):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(signer, hashes.SHA256())

    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    authority = [(x509.BasicConstraints(ca=True, path_length=0), True), (usage, True)]
    ca = certificate(name("callvault's emulation"), name("callvault's emulation"), ca_key.public_key(), ca_key, authority)
    alternatives = [x509.DNSName(each) for each in names] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    server = certificate(
        name("emulated"),
        ca.subject,
        key.public_key(),
        ca_key,
        [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.SubjectAlternativeName(alternatives), False),
            (x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False),
        ],
    )
    folder = Path(folder)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "server.pem").write_bytes(server.public_bytes(pem))
    (folder / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


class Resolver(socketserver.BaseRequestHandler):
    def handle(self):
        query, channel = self.request
        end = query.index(b"\0", 12) + 5
        kind, _ = struct.unpack("!HH", query[end - 4 : end])
        answers = int(kind == ADDRESS)
        answer = query[:2] + struct.pack("!HHHHH", 0x8580, 1, answers, 0, 0) + query[12:end]
        if answers:
            answer += struct.pack("!HHHIH4s", 0xC00C, ADDRESS, INTERNET, 60, 4, bytes([127, 0, 0, 1]))
        channel.sendto(answer, self.client_address)


def resolver():
    with socketserver.ThreadingUDPServer(("127.0.0.1", 53), Resolver) as server:
        server.serve_forever()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["certificates", folder, names]:
            certificates(folder, names.split(","))
        case ["resolver"]:
            resolver()
        case _:
            sys.exit(__doc__)
