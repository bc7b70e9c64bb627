"""Computes every vector of sealed streams (proxy/SEAL.md) anew, with code that shares nothing with ours, and fails where one differs."""

import base64
import hashlib
import json
import re
import sys
import warnings

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from noise.connection import Keypair, NoiseConnection
from noise.exceptions import NoiseInvalidMessage, NoiseValueError

TAG = 16
PLAIN_MAX = 32_768

# That ephemeral keys are given is what vectors are.
warnings.filterwarnings("ignore", message="One of ephemeral keypairs is already set")

checked = 0


def same(what, ours, theirs):
    global checked
    checked += 1
    if ours != theirs:
        sys.exit(f"seal.json: {what}: the file says {theirs!r}, and Python makes {ours!r}")


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def side(protocol, prologue, initiator, ephemeral, static=None, remote=None):
    noise = NoiseConnection.from_name(protocol.encode())
    noise.set_prologue(prologue)
    (noise.set_as_initiator if initiator else noise.set_as_responder)()
    noise.set_keypair_from_private_bytes(Keypair.EPHEMERAL, ephemeral)
    if static:
        noise.set_keypair_from_private_bytes(Keypair.STATIC, static)
    if remote:
        noise.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, remote)
    noise.start_handshake()
    return noise


def check_keys(keys):
    for pair in keys:
        secret = bytes.fromhex(pair["secret"])
        same("public key", public(secret).hex(), pair["public"])
        same("key", base64url(public(secret)), pair["key"])
        same("text", "bss-seal-secret-" + base64url(secret), pair["text"])


def check_addresses(addresses):
    for vector in addresses:
        address = vector["address"]
        found = re.fullmatch(r"([^#]*)#([A-Za-z0-9_-]{43})", address, re.DOTALL)
        # One spelling: the last character holds four bits.
        if found and base64url(base64.urlsafe_b64decode(found[2] + "=")) == found[2]:
            name, key = found[1], found[2]
        else:
            # Whoever copied it with a number sign meant to seal.
            name, key = None if "#" in address else address, None
        same(f"address {address}", [name, key], [vector["name"], vector["key"]])


def check_handshake(vector):
    name = vector["name"]
    unhex = lambda field: bytes.fromhex(vector[field])
    prologue = b"bss-seal-1\0" + unhex("stream") + vector["server_name"].encode()
    same(f"{name}: prologue", prologue.hex(), vector["prologue"])
    server = bytes.fromhex(vector["server"]["secret"])
    same(f"{name}: server", public(server).hex(), vector["server"]["public"])
    client = bytes.fromhex(vector["client"]["secret"]) if "client" in vector else None
    pattern = "IK" if client else "NK"
    same(f"{name}: protocol", f"Noise_{pattern}_25519_AESGCM_SHA256", vector["protocol"])

    initiator = side(vector["protocol"], prologue, True, unhex("client_ephemeral"), client, public(server))
    responder = side(vector["protocol"], prologue, False, unhex("server_ephemeral"), server)
    meta = vector["meta"].encode()
    first = bytes(initiator.write_message(meta))
    same(f"{name}: message 1", first.hex(), vector["message_1"])
    same(f"{name}: open", {"v": 1, "pattern": pattern, "message": base64url(first)}, vector["open"])
    same(f"{name}: its payload", bytes(responder.read_message(first)), meta)
    if client:
        same(f"{name}: who the client is", responder.noise_protocol.handshake_state.rs.public_bytes, public(client))
    second = bytes(responder.write_message(b""))
    same(f"{name}: message 2", second.hex(), vector["message_2"])
    same(f"{name}: reply", {"v": 1, "message": base64url(second)}, vector["reply"])
    same(f"{name}: its payload", bytes(initiator.read_message(second)), b"")

    hashes = {bytes(noise.get_handshake_hash()).hex() for noise in (initiator, responder)}
    same(f"{name}: hash", hashes, {vector["hash"]})
    client_key = initiator.noise_protocol.cipher_state_encrypt.k
    server_key = initiator.noise_protocol.cipher_state_decrypt.k
    same(f"{name}: client key", [client_key.hex()] * 2, [vector["client_key"], responder.noise_protocol.cipher_state_decrypt.k.hex()])
    same(f"{name}: server key", [server_key.hex()] * 2, [vector["server_key"], responder.noise_protocol.cipher_state_encrypt.k.hex()])
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=unhex("hash"), info=b"bss-seal-1 resume")
    same(f"{name}: resume secret", hkdf.derive(client_key + server_key).hex(), vector["resume_secret"])


def check_refused_messages(vectors):
    protocol, prologue = "Noise_NK_25519_AESGCM_SHA256", bytes.fromhex(vectors["prologue"])
    server, ephemeral = bytes.fromhex(vectors["server"]["secret"]), bytes.fromhex(vectors["client_ephemeral"])

    def is_refused(read):
        try:
            read()
        # Whatever it is that a library says of a message that it cannot read.
        except (NoiseInvalidMessage, NoiseValueError, InvalidTag, ValueError):
            return True
        return False

    def begin():
        initiator = side(protocol, prologue, True, ephemeral, remote=public(server))
        same("refused: message 1", bytes(initiator.write_message(vectors["meta"].encode())).hex(), vectors["message_1"])
        return initiator

    for vector in vectors["first"]:
        message = bytes.fromhex(vector["message_1"])
        responder = side(protocol, prologue, False, ephemeral, static=server)
        same(f"refused, {vector['name']}", is_refused(lambda: responder.read_message(message)), True)
    for vector in vectors["second"]:
        message = bytes.fromhex(vector["message_2"])
        initiator = begin()
        same(f"refused, {vector['name']}", is_refused(lambda: initiator.read_message(message)), True)


class Direction:
    """Noise's cipher state, from the specification alone."""

    def __init__(self, key, records_per_key):
        self.key, self.number, self.records_per_key = key, 0, records_per_key

    def next(self):
        if self.number and self.number % self.records_per_key == 0:
            self.key = AESGCM(self.key).encrypt(nonce(2**64 - 1), bytes(32), b"")[:32]
        number, self.number = self.number, self.number + 1
        return AESGCM(self.key), nonce(number)

    def seal(self, plain):
        cipher, number = self.next()
        ciphertext = cipher.encrypt(number, plain, b"")
        return len(ciphertext).to_bytes(2, "big") + ciphertext

    def read(self, data):
        """All that a whole direction says, or None where it is not what was sealed."""
        plain, is_ended = b"", False
        while data:
            length = int.from_bytes(data[:2], "big")
            if is_ended or not TAG <= length <= PLAIN_MAX + TAG or len(data) < 2 + length:
                return None
            cipher, number = self.next()
            try:
                record = cipher.decrypt(number, data[2 : 2 + length], b"")
            except InvalidTag:
                return None
            plain, is_ended, data = plain + record, not record, data[2 + length :]
        return plain if is_ended else None


def nonce(number):
    return bytes(4) + number.to_bytes(8, "big")


def check_direction(vector):
    name, key, per_key = vector["name"], bytes.fromhex(vector["key"]), vector["records_per_key"]
    direction, whole, said = Direction(key, per_key), b"", b""
    for index, record in enumerate(vector["records"]):
        plain = bytes(record["zeros"]) if "zeros" in record else bytes.fromhex(record["plain"])
        sealed = direction.seal(plain)
        if "zeros" in record:
            found = [hashlib.sha256(sealed).hexdigest(), len(sealed)]
            same(f"{name}: record {index}", found, [record["sha256"], record["length"]])
        else:
            same(f"{name}: record {index}", sealed.hex(), record["record"])
        whole, said = whole + sealed, said + plain
    same(f"{name}: read back", Direction(key, per_key).read(whole), said)


def check_refused_directions(vectors):
    for vector in vectors["directions"]:
        direction = Direction(bytes.fromhex(vectors["key"]), 1 << 20)
        same(f"refused, {vector['name']}", direction.read(bytes.fromhex(vector["bytes"])), None)


def check_signals(vector):
    nonces = bytes.fromhex(vector["client_nonce"] + vector["server_nonce"])
    for side in ("client", "server"):
        hkdf = HKDF(algorithm=SHA256(), length=32, salt=nonces, info=f"bss-seal-1 signals {side}".encode())
        key = hkdf.derive(bytes.fromhex(vector["secret"]))
        same(f"signals: key of the {side}", key.hex(), vector[side]["key"])
        direction = Direction(key, 1 << 20)
        for note in vector[side]["notes"]:
            same(f"signals: {note['note']}", direction.seal(note["note"].encode()).hex(), note["framed"])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        vectors = json.load(file)
    parts = {
        "keys": check_keys,
        "addresses": check_addresses,
        "handshakes": lambda handshakes: [check_handshake(vector) for vector in handshakes],
        "refused_messages": check_refused_messages,
        "directions": lambda directions: [check_direction(vector) for vector in directions],
        "refused_directions": check_refused_directions,
        "signals": check_signals,
    }
    same("its parts", sorted(parts), sorted(vectors))
    for part, check in parts.items():
        before = checked
        check(vectors[part])
        if checked == before:
            sys.exit(f"seal.json: {part} is empty")
    print(f"Sealed streams: a second implementation agrees with all of tests/vectors/seal.json ({checked} facts)")


main()
