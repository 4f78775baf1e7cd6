"""A plugin of usher with a source: the accounts of a Unix machine, from its passwd file and, for their password hashes, its
shadow file."""

import usher_plugin as usher


def lines(path):
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as f:
            for number, line in enumerate(f, 1):
                if line.strip() and not line.startswith("#"):
                    yield number, line.rstrip("\n"), line.rstrip("\n").split(":")
    except OSError as e:
        raise usher.Problem("unix.unreadable", "%s cannot be read: %s" % (path, e.strerror), "check the option and who may read the file", kind="unreachable")


class UnixAccounts(usher.Source):
    name = "unix_accounts"
    summary = "The accounts of a Unix machine."
    doc = "Gives `username`, `uid`, `gid`, `name`, `home`, `shell` of passwd(5) and, with `shadow`, `password` and `locked` of shadow(5)."
    options = [
        usher.Option("passwd", "The passwd file.", "/etc/passwd", type="path", required=True),
        usher.Option("shadow", "The shadow file.", "/etc/shadow", type="path"),
        usher.Option("first_uid", "Accounts with smaller numbers belong to the system and are left out.", "500", type="int", default="1000"),
    ]

    def read(self):
        shadow = {}
        if self.options.get("shadow"):
            for _, _, parts in lines(self.options["shadow"]):
                shadow[parts[0]] = parts[1] if len(parts) > 1 else ""
        passwd = self.options["passwd"]
        for number, text, parts in lines(passwd):
            place = {"origin": passwd.rsplit("/", 1)[-1], "line": number}
            if len(parts) != 7 or not parts[2].isdigit():
                yield usher.Record(None, error=("unix.bad_line", "a line of a passwd file has seven parts, the third a number"), raw=text, **place)
                continue
            username, _, uid, gid, gecos, home, shell = parts
            if int(uid) < self.options.get("first_uid", 1000):
                continue
            fields = {"username": username, "uid": int(uid), "gid": int(gid) if gid.isdigit() else gid, "name": gecos.split(",")[0] or None,
                      "home": home, "shell": shell}
            if username in shadow:
                stored = shadow[username]
                fields["locked"] = stored.startswith(("!", "*"))
                fields["password"] = usher.Secret(stored.lstrip("!*")) if stored.lstrip("!*") else None
            yield usher.Record(fields, **place)


if __name__ == "__main__":
    usher.serve(UnixAccounts)
