"""Writes plugins of usher in Python: hashers and sources.

    import usher_plugin as usher

    class Acme(usher.Hasher): ...

    if __name__ == "__main__":
        usher.serve(Acme)

It needs grpcio, protobuf and cryptography (Debian: python3-grpcio, python3-protobuf, python3-cryptography), and the file
usher_plugin.binpb, the description of the protocol, beside it. Nothing may be printed on standard output: write messages
to standard error, which usher keeps.
"""

import base64
import datetime
import decimal
import os
import struct
import sys
import threading
import traceback
from concurrent import futures

try:
    import grpc
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ImportError as e:
    sys.exit("%s has not what a plugin of usher needs: %s. Install grpcio, protobuf and cryptography for it (Debian: apt install python3-grpcio "
             "python3-protobuf python3-cryptography), or name a Python that has them: command /usr/bin/python3" % (sys.executable, e))

VERSION = 1
_COOKIE = ("USHER_PLUGIN", "ad7b26aa-0f9e-4d46-8b59-0c3a3d0ff6d1")
_PACKAGE = "usher.plugin.v1."
_PART = 1 << 20


# The messages of the protocol.

def _load(path):
    files = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as f:
        files.ParseFromString(f.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(file.SerializeToString())
    return pool


class _Messages:
    def __init__(self):
        self.pool = _load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "usher_plugin.binpb"))
        self.of = getattr(message_factory, "GetMessageClass", None) or message_factory.MessageFactory(self.pool).GetPrototype

    def __getattr__(self, name):
        message = self.of(self.pool.FindMessageTypeByName(_PACKAGE + name))
        setattr(self, name, message)
        return message


_pb = _Messages()


# Values: None, bool, int, float, decimal.Decimal, str, Secret, bytes, datetime.datetime with a zone, list and dict.

class Secret(str):
    """Text that is not shown."""

    def __repr__(self):
        return "REDACTED"

    __str__ = __repr__

    def reveal(self):
        return str.__str__(self)


class Writer:
    """Appends values in the encoding of docs/reference/plugins.md."""

    def __init__(self):
        self.data = bytearray()

    def uvarint(self, n):
        while n >= 0x80:
            self.data.append(n & 0x7F | 0x80)
            n >>= 7
        self.data.append(n)

    def varint(self, n):
        self.uvarint(n << 1 if n >= 0 else (-n << 1) - 1)

    def text(self, s):
        if isinstance(s, str):
            s = str.encode(s)
        self.uvarint(len(s))
        self.data += s

    def tagged(self, tag, s):
        self.data.append(tag)
        self.text(s)

    def value(self, v):
        if v is None:
            self.data.append(0)
        elif isinstance(v, bool):
            self.data.append(2 if v else 1)
        elif isinstance(v, int):
            if -(1 << 63) <= v < 1 << 63:
                self.data.append(3)
                self.varint(v)
            else:
                self.tagged(5, str(v))
        elif isinstance(v, float):
            self.data.append(4)
            self.data += struct.pack("<d", v)
        elif isinstance(v, decimal.Decimal):
            self.tagged(5, str(v))
        elif isinstance(v, Secret):
            self.tagged(7, v)
        elif isinstance(v, str):
            self.tagged(6, v)
        elif isinstance(v, (bytes, bytearray)):
            self.tagged(8, bytes(v))
        elif isinstance(v, datetime.datetime):
            self.instant(v)
        elif isinstance(v, (list, tuple)):
            self.data.append(10)
            self.uvarint(len(v))
            for e in v:
                self.value(e)
        elif isinstance(v, dict):
            self.data.append(11)
            self.uvarint(len(v))
            for name, member in v.items():
                self.text(name)
                self.value(member)
        else:
            raise TypeError("a %s is no value" % type(v).__name__)

    def instant(self, v):
        if v.tzinfo is None:
            raise TypeError("a datetime without a zone is no instant: give it a tzinfo")
        since = v - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        self.data.append(9)
        self.varint(since.days * 86400 + since.seconds)
        self.uvarint(since.microseconds * 1000)
        self.varint(int(v.utcoffset().total_seconds()))


class Reader:
    """Reads what Writer appended. Of an instant it keeps microseconds."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def take(self, n):
        if self.at + n > len(self.data):
            raise ValueError("the bytes are not in the encoding of values")
        self.at += n
        return self.data[self.at - n:self.at]

    def uvarint(self):
        n = shift = 0
        while True:
            b = self.byte()
            n |= (b & 0x7F) << shift
            if b < 0x80:
                return n
            shift += 7

    def varint(self):
        n = self.uvarint()
        return n >> 1 if n & 1 == 0 else -(n >> 1) - 1

    def text(self):
        return bytes(self.take(self.uvarint())).decode("utf-8", "surrogateescape")

    def value(self):
        tag = self.byte()
        if tag < 3:
            return (None, False, True)[tag]
        if tag == 3:
            return self.varint()
        if tag == 4:
            return struct.unpack("<d", self.take(8))[0]
        if tag == 5:
            return decimal.Decimal(self.text())
        if tag == 6:
            return self.text()
        if tag == 7:
            return Secret(self.text())
        if tag == 8:
            return bytes(self.take(self.uvarint()))
        if tag == 9:
            seconds, nanos, offset = self.varint(), self.uvarint(), self.varint()
            zone = datetime.timezone(datetime.timedelta(seconds=offset))
            utc = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=seconds, microseconds=nanos // 1000)
            return utc.astimezone(zone)
        if tag == 10:
            return [self.value() for _ in range(self.uvarint())]
        if tag == 11:
            return {self.text(): self.value() for _ in range(self.uvarint())}
        raise ValueError("the bytes are not in the encoding of values")


def _encode(v):
    w = Writer()
    w.value(v)
    return bytes(w.data)


def _decode(data):
    return Reader(data).value() if data else None


# What a plugin is made of.

class Problem(Exception):
    """Says why something cannot be done: what is wrong, where, and what to do. It must show no secret.

    kind is "failed", "unreachable", "option" (field names it), or "temporary" (the call is made again).
    """

    KINDS = ("failed", "unreachable", "option", "refused", "temporary")

    def __init__(self, code, message, hint="", kind="failed", field=""):
        super().__init__(message)
        self.code, self.message, self.hint, self.kind, self.field = code, message, hint, self.KINDS.index(kind), field


class Malformed(Exception):
    """Raised by Hasher.verify: the string is no hash of this format."""


class OverLimit(Exception):
    """Raised by Hasher.verify: it would cost more than the hasher is ready to spend."""


class Unsupported(Exception):
    """Raised by Hasher.verify: it cannot be checked here."""


class Option:
    """Declares an option of a pipeline file. type is string, bool, int, duration (arrives in nanoseconds), size (bytes) or path (absolute)."""

    TYPES = {"string": 1, "bool": 2, "int": 3, "duration": 4, "size": 5, "path": 6}

    def __init__(self, name, doc, example, type="string", default="", required=False, secret=False, list=False, enum=()):
        if type not in self.TYPES:
            raise ValueError("the option %s has the type %r; the types are %s" % (name, type, ", ".join(self.TYPES)))
        self.message = _pb.Option(name=name, doc=doc, example=example, type=self.TYPES[type], default=default, required=required, secret=secret,
                                  list=list, enum=enum)


class Sample:
    """A hash with its password, which usher checks before it uses the hasher."""

    def __init__(self, encoded, password, context=None):
        self.encoded, self.password, self.context = encoded, password, context or {}


class Hasher:
    """Derive from it, say what the hashes are like, and write verify; hash as well if new hashes are to be made.

    pattern is a regular expression (RE2) that fits the whole of a hash and nothing else. context names what is needed beside the
    hash, such as salt or username. memory is what one verification takes, in bytes.
    """

    name = summary = doc = layout = pattern = ""
    context = ()
    options = ()
    samples = ()
    memory = 0

    def __init__(self, options):
        self.options = options

    def verify(self, encoded, password, context):
        """Reports whether password (bytes) fits. context has the members that were asked for."""
        raise NotImplementedError

    hash = None  # hash(self, password, context) gives an encoded hash

    def identify(self, encoded):
        """Reports whether a string that fits the pattern may be a hash of this format."""
        return True

    def needs_rehash(self, encoded):
        """Says why a hash is weaker than what hash makes now, or nothing."""
        return ""


class Record:
    """One user as a source gives it: fields is a dict of values, origin, line and key say where it is from.

    With error (a code and a message) the record failed, and raw is its text. With gone the source no longer has the user, and
    fields only say who it is.
    """

    def __init__(self, fields, origin="", line=0, key="", error=None, raw="", gone=False):
        self.fields, self.origin, self.line, self.key, self.error, self.raw, self.gone = fields, origin, line, key, error, raw, gone

    def append(self, w):
        w.data.append(1 if self.gone else 0)
        w.text(self.origin)
        w.varint(self.line)
        w.text(self.key)
        w.text(self.raw)
        w.data.append(4 if self.error else 0)
        w.text("")
        w.text("")
        w.uvarint(0)
        w.uvarint(0)
        w.uvarint(1 if self.error else 0)
        if self.error:
            code, message = self.error
            w.text(code)
            w.text("")
            w.text(message)
        w.value(self.fields)


class Source:
    """Derive from it and write read, a generator of Records. Each run reads from the start; a resumed one passes over what is done."""

    name = summary = doc = ""
    options = ()

    def __init__(self, options, directory):
        self.options, self.directory = options, directory

    def read(self):
        raise NotImplementedError

    def close(self):
        pass


# What answers usher.

def _failure(error):
    if isinstance(error, Problem):
        return _pb.Failure(kind=error.kind, code=error.code, message=error.message, hint=error.hint, field=error.field)
    traceback.print_exception(type(error), error, error.__traceback__)
    return _pb.Failure(code="plugin.failed", message="the plugin failed: %s" % type(error).__name__, hint="this is a defect of the plugin")


class _Server:
    def __init__(self, types):
        self.sources = {t.name: t for t in types if issubclass(t, Source)}
        self.hashers = {t.name: t for t in types if issubclass(t, Hasher)}
        self.configured = {}
        self.stopped = threading.Event()

    def describe(self, request, _):
        d = _pb.DescribeResponse()
        for t in self.sources.values():
            d.sources.add(name=t.name, summary=t.summary, doc=t.doc, options=[o.message for o in t.options])
        for t in self.hashers.values():
            d.hashers.add(name=t.name, summary=t.summary, doc=t.doc, layout=t.layout, pattern=t.pattern, context=t.context,
                          options=[o.message for o in t.options], memory_bytes=t.memory, can_hash=t.hash is not None,
                          samples=[_pb.Sample(encoded=s.encoded, password=s.password, context=_encode(s.context)) for s in t.samples])
        return d

    def check(self, request, _):
        return _pb.CheckResponse()

    def configure(self, request, _):
        response = _pb.ConfigureResponse()
        try:
            self.configured[request.hasher.name] = self.hashers[request.hasher.name](_decode(request.hasher.options) or {})
        except Exception as e:
            response.failure.CopyFrom(_failure(e))
        return response

    def identify(self, request, _):
        h = self.configured[request.hasher]
        return _pb.IdentifyResponse(items=[_pb.Identified(confidence=2 if h.identify(e) else 0) for e in request.encoded])

    def verify(self, request, _):
        h = self.configured[request.hasher]
        return _pb.VerifyResponse(items=[self.verdict(h, item) for item in request.items])

    def verdict(self, h, item):
        try:
            return _pb.Verified(verdict=1 if h.verify(item.encoded, item.password, _decode(item.context) or {}) else 2)
        except Malformed as e:
            return _pb.Verified(verdict=3, reason=str(e))
        except OverLimit as e:
            return _pb.Verified(verdict=4, reason=str(e))
        except Unsupported as e:
            return _pb.Verified(reason=str(e))
        except Exception as e:
            return _pb.Verified(reason=_failure(e).message)

    def hash(self, request, _):
        h, response = self.configured[request.hasher], _pb.HashResponse()
        for item in request.items:
            try:
                response.items.add(encoded=h.hash(item.password, _decode(item.context) or {}))
            except Exception as e:
                response.items.add(problem=_failure(e).message)
        return response

    def needs_rehash(self, request, _):
        h, response = self.configured[request.hasher], _pb.NeedsRehashResponse()
        for encoded in request.encoded:
            reason = h.needs_rehash(encoded)
            response.items.add(needs_rehash=bool(reason), reason=reason)
        return response

    def convert(self, request, _):
        return _pb.ConvertResponse(items=[_pb.Converted(problem="no other system knows this hasher") for _ in request.items])

    def read(self, requests, _):
        source = None
        try:
            instance = next(requests).open.instance
            source = self.sources[instance.name](_decode(instance.options) or {}, instance.directory)
            records = iter(source.read())
            yield _pb.ReadResponse(opened=_pb.SourceOpened())
            for request in requests:
                w, n = Writer(), 0
                for record in records:
                    record.append(w)
                    n += 1
                    if n == max(request.next.max, 1):
                        break
                if n == 0:
                    yield _pb.ReadResponse(end=_pb.SourceEnd())
                    continue
                for at in range(0, len(w.data), _PART):
                    yield _pb.ReadResponse(batch=_pb.SourceBatch(records=bytes(w.data[at:at + _PART]), last=at + _PART >= len(w.data)))
        except Exception as e:
            yield _pb.ReadResponse(failure=_failure(e))
        finally:
            if source is not None:
                source.close()

    def shutdown(self, request, _):
        self.stopped.set()
        return b""


def _unary(call, request, response):
    return grpc.unary_unary_rpc_method_handler(call, request.FromString, response.SerializeToString)


def _raw(call):
    return grpc.unary_unary_rpc_method_handler(call, None, None)


def _handlers(s):
    def service(name, **methods):
        return grpc.method_handlers_generic_handler(_PACKAGE + name, {
            method: _unary(call, getattr(_pb, method + "Request"), getattr(_pb, method + "Response")) for method, call in methods.items()})

    yield service("PluginService", Describe=s.describe, Check=s.check)
    yield service("HasherService", Configure=s.configure, Identify=s.identify, Verify=s.verify, Hash=s.hash, NeedsRehash=s.needs_rehash,
                  Convert=s.convert)
    yield grpc.method_handlers_generic_handler(_PACKAGE + "SourceService", {
        "Read": grpc.stream_stream_rpc_method_handler(s.read, _pb.ReadRequest.FromString, _pb.ReadResponse.SerializeToString)})
    # What go-plugin expects of every plugin: its health, which is SERVING, and to be ended.
    yield grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": _raw(lambda *_: b"\x08\x01")})
    yield grpc.method_handlers_generic_handler("plugin.GRPCController", {"Shutdown": _raw(s.shutdown)})


def _certificate():
    """Makes the certificate of this process: usher trusts no other for this connection."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.utcnow()
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_encipherment=True, key_agreement=True, key_cert_sign=True, content_commitment=False,
                                     data_encipherment=False, crl_sign=False, encipher_only=False, decipher_only=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256()))
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret, certificate.public_bytes(serialization.Encoding.PEM), certificate.public_bytes(serialization.Encoding.DER)


def serve(*types):
    """Serves the sources and hashers to the usher that has started this process, until it ends it."""
    if os.environ.get(_COOKIE[0]) != _COOKIE[1]:
        sys.exit("This program is a plugin of usher, which starts it. `usher plugins test %s` tries it." % sys.argv[0])
    out, sys.stdout = sys.stdout, sys.stderr
    s = _Server(types)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=max(4, os.cpu_count() or 1)), handlers=tuple(_handlers(s)))
    key, pem, der = _certificate()
    credentials = grpc.ssl_server_credentials([(key, pem)], root_certificates=os.environ["PLUGIN_CLIENT_CERT"].encode(), require_client_auth=True)
    path = os.path.join(os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or os.environ.get("TMPDIR") or "/tmp", "usher-plugin-%d" % os.getpid())
    server.add_secure_port("unix:" + path, credentials)
    server.start()
    print("1|%d|unix|%s|grpc|%s" % (VERSION, path, base64.b64encode(der).decode().rstrip("=")), file=out, flush=True)
    s.stopped.wait()
    server.stop(1).wait()
