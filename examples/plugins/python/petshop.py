"""A plugin of usher with a hasher: the scheme of a shop that hashes a password with SHA-256 over and over again, written
ps1$<rounds>$<salt>$<64 hexadecimal digits>."""

import hashlib
import hmac
import secrets

import usher_plugin as usher

ROUNDS = 20_000
MOST = 200_000


def derive(rounds, salt, password):
    digest = salt.encode() + password
    for _ in range(rounds):
        digest = hashlib.sha256(digest).digest()
    return digest.hex()


class PetShop(usher.Hasher):
    name = "petshop"
    summary = "SHA-256 over a salt and the password, some thousand times."
    layout = "ps1$<rounds>$<salt>$<hash:hex:64>"
    pattern = r"ps1\$[1-9][0-9]{0,6}\$[0-9a-z]{8,32}\$[0-9a-f]{64}"
    samples = [usher.Sample("ps1$1000$k3n9q0xw$a8273a5b2f14ac95bee6d543aade5b6bede23d38447a30dcc98c500ebdf74529", b"correct horse")]

    def verify(self, encoded, password, context):
        _, rounds, salt, digest = encoded.split("$")
        if int(rounds) > MOST:
            raise usher.OverLimit("%s rounds are more than %d" % (rounds, MOST))
        return hmac.compare_digest(derive(int(rounds), salt, password), digest)

    def hash(self, password, context):
        salt = secrets.token_hex(8)
        return "ps1$%d$%s$%s" % (ROUNDS, salt, derive(ROUNDS, salt, password))

    def needs_rehash(self, encoded):
        return "it has fewer rounds" if int(encoded.split("$")[1]) < ROUNDS else ""


if __name__ == "__main__":
    usher.serve(PetShop)
