# SPDX-License-Identifier: MIT
"""Legacy XMPP servers as fixtures: Prosody, ejabberd and jabberd2, without stream management.

Each runs as ordinary processes in a scratch folder, with accounts and rosters written into its own
store before (Prosody, jabberd2) or during (ejabberd) its start. It is ready when the last account
can log in. The password of every account is PASSWORD.

    with servers.start("prosody") as server:
        server.host, server.port    # plaintext c2s
"""

import base64
import gzip
import hashlib
import hmac
import os
import socket
import sqlite3
import time

import process

DOMAIN = "example.org"
PASSWORD = "sesame"
USERS = ("alice", "bob", "carol", "dave")
CONTACTS = (("alice", "bob"),)
WEBSOCKET_PATH = "/xmpp-websocket"  # Prosody's own; for all


class Server:
    """What the three have in common; start() and wait() are apart so that several start at once.

    sm: with the server's own stream management (Prosody, ejabberd), to compare with.
    websocket: with its own WebSocket (the same two) on ws_port, and with tls on wss_port.
    tls: a certificates.Certificate; then STARTTLS on port, and direct TLS on tls_port.
    more: options of one server, named where they are used.
    """

    name = ""

    def __init__(
        self,
        domain=DOMAIN,
        users=USERS,
        contacts=CONTACTS,
        sm=False,
        tls=None,
        websocket=False,
        **more,
    ):
        self.domain = domain
        self.users = tuple(users)
        self.contacts = tuple(contacts)
        self.sm = sm
        self.tls = tls
        self.websocket = websocket
        self.more = more
        self.host = process.LOOPBACK
        self.port = process.free_port()
        self.tls_port = process.free_port() if tls else None
        self.ws_port = process.free_port() if websocket else None
        self.wss_port = process.free_port() if websocket and tls else None
        self.folder = process.scratch(self.name)
        self.processes = []

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, text, *names):
        path = self.path(*names)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as out:
            out.write(text)
        return path

    def run(self, log, *arguments, **more):
        self.processes.append(process.spawn(arguments, self.path(log), cwd=self.folder, **more))

    def friends(self, user):
        pairs = self.contacts
        return [b for a, b in pairs if a == user] + [a for a, b in pairs if b == user]

    def start(self):
        raise NotImplementedError

    def wait(self, before=b""):
        """Until the last account can log in. before: what a connection begins with."""
        self.wait_until(lambda: can_log_in(self.port, self.domain, self.users[-1], before))

    def wait_until(self, is_ready):
        try:
            process.wait_until(is_ready, self.processes, self.name)
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{self.log(8)}") from None

    def stop(self):
        for one in reversed(self.processes):
            process.stop(one)
        self.processes = []

    def log(self, lines=60):
        """The ends of all its logs, for a failure's message."""
        logs = sorted(name for name in os.listdir(self.folder) if name.endswith(".log"))
        return "".join(f"--- {name}\n{process.tail(self.path(name), lines)}" for name in logs)

    def close(self):
        self.stop()
        process.remove_scratch(self.folder)

    def __enter__(self):
        try:
            self.start()
            self.wait()
        except BaseException:
            print(self.log())
            self.close()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.log())
        self.close()


class Prosody(Server):
    """more: modules, a list of further modules (legacyauth, …); config, further lines of Lua."""

    name = "prosody"

    def start(self):
        for user in self.users:
            self.store("accounts", user, scram_account(PASSWORD))
            self.store("roster", user, self.roster(user))
        config = self.write(self.config(), "prosody.cfg.lua")
        self.run("prosody.log", "prosody", "-F", "--config", config)

    def store(self, kind, user, text):
        self.write(text, "data", file_name(self.domain), kind, file_name(user) + ".dat")

    def roster(self, user):
        items = "".join(
            f'["{friend}@{self.domain}"] = {{ subscription = "both"; groups = {{}}; }};\n'
            for friend in self.friends(user)
        )
        return "return {\n[false] = { version = 1; };\n" + items + "};\n"

    def config(self):
        modules = "roster saslauth tls disco posix ping carbons csi offline".split()
        modules += ["smacks"] if self.sm else []
        modules += ["websocket"] if self.websocket else []
        modules += self.more.get("modules", [])
        lines = [
            f'data_path = "{self.path("data")}"',
            f'pidfile = "{self.path("prosody.pid")}"',
            f'certificates = "{self.folder}"',
            "run_as_root = true",
            'plugin_paths = { }',
            f'modules_enabled = {{ {", ".join(lua_string(m) for m in modules)} }}',
            'modules_disabled = { "s2s" }',
            'authentication = "internal_hashed"',
            "c2s_require_encryption = false",
            "allow_unencrypted_plain_auth = true",
            f'interfaces = {{ "{self.host}" }}',
            f"c2s_ports = {{ {self.port} }}",
            f"c2s_direct_tls_ports = {{ {self.tls_port or ''} }}",
            'log = { info = "*console" }',
            f'http_default_host = "{self.domain}"',
            f'http_interfaces = {{ "{self.host}" }}',
            f'https_interfaces = {{ "{self.host}" }}',
            f"http_ports = {{ {self.ws_port or ''} }}",
            f"https_ports = {{ {self.wss_port or ''} }}",
        ]
        if self.tls:
            pair = f'{{ certificate = "{self.tls.chain}"; key = "{self.tls.key}" }}'
            lines += [f"ssl = {pair}", f"c2s_direct_tls_ssl = {pair}", f"https_ssl = {pair}"]
        lines += [self.more.get("config", ""), f'VirtualHost "{self.domain}"']
        return "\n".join(lines) + "\n"


class Ejabberd(Server):
    """more: modules, further lines of YAML below modules:; proxy_protocol, True on the c2s port;
    password_format, scram for the same salt at each login."""

    name = "ejabberd"

    def start(self):
        config = self.write(self.config(), "ejabberd.yml")
        os.mkdir(self.path("spool"))
        environment = dict(
            os.environ,
            HOME=self.folder,
            ERL_LIBS="/usr/lib/x86_64-linux-gnu",
            ERL_CRASH_DUMP=self.path("erl_crash.dump"),
            EJABBERD_CONFIG_PATH=config,
            EJABBERD_LOG_PATH=self.path("ejabberd.log"),
        )
        # Without a node name Erlang needs no epmd, and two of them cannot meet.
        self.run(
            "output.log",
            *("erl", "-noinput", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"),
            *("-mnesia", "dir", f'"{self.path("spool")}"', "-s", "ejabberd"),
            *("-eval", self.accounts()),
            env=environment,
        )

    def accounts(self):
        """Erlang that makes rosters, then accounts in their order, once ejabberd is up."""
        domain = f'<<"{self.domain}">>'
        befriend = [
            f'ok = mod_admin_extra:add_rosteritem(<<"{user}">>, {domain}, <<"{friend}">>, {domain},'
            ' <<>>, <<>>, <<"both">>)'
            for user in self.users
            for friend in self.friends(user)
        ]
        register = [
            f'ok = ejabberd_auth:try_register(<<"{user}">>, {domain}, <<"{PASSWORD}">>)'
            for user in self.users
        ]
        return ", ".join(befriend + register) + "."

    def wait(self, before=b""):
        if self.more.get("proxy_protocol"):
            before = b"PROXY TCP4 127.0.0.1 127.0.0.1 1000 1001\r\n"
        super().wait(before)

    def config(self):
        listeners = [self.listener(self.port, False)]
        if self.tls:
            pem = self.write(read(self.tls.chain) + read(self.tls.key), "ejabberd.pem")
            listeners.append(self.listener(self.tls_port, True))
        if self.websocket:
            listeners.append(self.websocket_listener(self.ws_port, False))
        if self.wss_port:
            listeners.append(self.websocket_listener(self.wss_port, True))
        modules = "mod_disco mod_ping mod_carboncopy mod_client_state mod_offline mod_admin_extra"
        lines = [
            "loglevel: info",
            "log_rotate_count: 0",
            f'hosts: ["{self.domain}"]',
            f'certfiles: ["{pem}"]' if self.tls else "",
            f"auth_password_format: {self.more.get('password_format', 'plain')}",
            "s2s_access: none",
            "acme: {auto: false}",
            "shaper: {}",
            f"listen: [{', '.join(listeners)}]",
            "modules:",
            *(f"  {module}: {{}}" for module in modules.split()),
            "  mod_roster: {versioning: true}",
            "  mod_stream_mgmt: {}" if self.sm else "",
            self.more.get("modules", ""),
        ]
        return "\n".join(lines) + "\n"

    def listener(self, port, direct):
        options = [f"port: {port}", f'ip: "{self.host}"', "module: ejabberd_c2s"]
        options.append("max_stanza_size: 262144")
        if direct:
            options.append("tls: true")
        elif self.tls:
            options.append("starttls: true")
        if self.more.get("proxy_protocol"):
            options.append("use_proxy_protocol: true")
        return "{" + ", ".join(options) + "}"

    def websocket_listener(self, port, tls):
        path = WEBSOCKET_PATH
        return (
            f'{{port: {port}, ip: "{self.host}", module: ejabberd_http, tls: {str(tls).lower()},'
            f' default_host: "{self.domain}", request_handlers: {{{path}: ejabberd_http_ws}}}}'
        )


class Jabberd2(Server):
    """Three processes (router, sm, c2s) that share one SQLite file.

    Its c2s names a session to its sm by the number of the socket. When a bound session ends, a late
    error from sm can reach the next connection that got the same number, which then ends with
    internal-server-error. So tests here do not log in just after they have ended a session.
    """

    name = "jabberd2"
    modules = "/usr/lib/x86_64-linux-gnu/jabberd2"
    schema = "/usr/share/doc/jabberd2/db-setup.sqlite.gz"

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        if self.sm or self.websocket:
            raise ValueError("jabberd2 has neither stream management nor a WebSocket")
        self.router_port = process.free_port()

    def start(self):
        self.database()
        user = "<user><name>jabberd</name><secret>secret</secret></user>"
        self.write(f"<users>{user}</users>", "users.xml")
        self.write("<rules/>", "filter.xml")
        self.write(self.router_config(), "router.xml")
        self.write(self.sm_config(), "sm.xml")
        self.write(self.c2s_config(), "c2s.xml")
        self.component("router")
        # The others try again only after a second if the router is not there yet.
        self.wait_until(lambda: process.accepts(self.router_port))
        self.component("sm")
        # c2s opens the same database file, and takes no client before sm is there anyway.
        self.wait_until(lambda: "ready for sessions" in process.tail(self.path("sm.log")))
        self.component("c2s")

    def component(self, name):
        self.run(f"{name}-output.log", f"/usr/sbin/jabberd2-{name}", "-c", self.path(name + ".xml"))

    def database(self):
        base = sqlite3.connect(self.path("jabberd2.db"))
        with gzip.open(self.schema, "rt") as schema:
            base.executescript(schema.read())
        now = int(time.time())
        for user in self.users:
            jid = f"{user}@{self.domain}"
            base.execute("INSERT INTO authreg VALUES (?, ?, ?)", (user, self.domain, PASSWORD))
            base.execute('INSERT INTO active ("collection-owner", time) VALUES (?, ?)', (jid, now))
            for friend in self.friends(user):
                base.execute(
                    'INSERT INTO "roster-items" ("collection-owner", jid, "to", "from", ask)'
                    " VALUES (?, ?, 1, 1, 0)",
                    (jid, f"{friend}@{self.domain}"),
                )
        base.commit()
        base.close()

    def common(self, name):
        return (
            f"<id>{name}</id><pidfile>{self.path(name + '.pid')}</pidfile>"
            f"<log type='file'><file>{self.path(name + '.log')}</file></log>"
        )

    def to_router(self):
        return (
            f"<router><ip>{self.host}</ip><port>{self.router_port}</port><user>jabberd</user>"
            "<pass>secret</pass><retry><init>30</init><lost>30</lost><sleep>1</sleep></retry>"
            "</router>"
        )

    def sqlite(self):
        return (
            f"<sqlite><dbname>{self.path('jabberd2.db')}</dbname>"
            "<sql>PRAGMA synchronous = OFF;</sql><busy-timeout>2000</busy-timeout>"
            "<password_type><plaintext/></password_type></sqlite>"
        )

    def router_config(self):
        return (
            f"<router>{self.common('router')}<local><ip>{self.host}</ip>"
            f"<port>{self.router_port}</port><users>{self.path('users.xml')}</users>"
            "<secret>secret</secret></local><check><interval>60</interval></check>"
            "<io><max_fds>1024</max_fds></io><aci><acl type='all'><user>jabberd</user></acl>"
            f"<filter>{self.path('filter.xml')}</filter></aci></router>"
        )

    def sm_config(self):
        chains = ""
        for chain, modules in SM_CHAINS:
            inside = "".join(f"<module>{module}</module>" for module in modules.split())
            chains += f"<chain id='{chain}'>{inside}</chain>"
        return (
            f"<sm>{self.common('sm')}{self.to_router()}<local><id>{self.domain}</id></local>"
            f"<storage><path>{self.modules}</path><driver>sqlite</driver>{self.sqlite()}</storage>"
            f"<modules><path>{self.modules}</path>{chains}</modules><discovery><identity>"
            "<category>server</category><type>im</type><name>jabberd2</name></identity>"
            "<agents/><items/></discovery></sm>"
        )

    def c2s_config(self):
        pem, tls_port = "", ""
        if self.tls:
            path = self.write(read(self.tls.key) + read(self.tls.chain), "c2s.pem")
            pem = f" pemfile='{path}'"
            tls_port = f"<ssl-port>{self.tls_port}</ssl-port><pemfile>{path}</pemfile>"
        mechanisms = (
            "<traditional><plain/><digest/></traditional><sasl><plain/><digest-md5/></sasl>"
        )
        return (
            f"<c2s>{self.common('c2s')}{self.to_router()}<local>"
            f"<id register-enable='true'{pem}>{self.domain}</id><ip>{self.host}</ip>"
            f"<port>{self.port}</port>{tls_port}</local><io><max_fds>1024</max_fds>"
            "<limits><stanzasize>262144</stanzasize></limits>"
            "<check><interval>0</interval><idle>0</idle><keepalive>0</keepalive></check></io>"
            f"<authreg><path>{self.modules}</path><module>sqlite</module>"
            f"<mechanisms>{mechanisms}</mechanisms><ssl-mechanisms>{mechanisms}</ssl-mechanisms>"
            f"{self.sqlite()}</authreg></c2s>"
        )


# jabberd2's own default chains, without the modules that answer for the administrator.
SM_CHAINS = (
    ("sess-start", "status"),
    ("sess-end", "status iq-last"),
    (
        "in-sess",
        "validate status privacy roster vacation iq-vcard iq-ping iq-private disco amp offline"
        " presence deliver",
    ),
    ("out-sess", ""),
    ("in-router", "session validate presence privacy"),
    ("out-router", "privacy"),
    ("pkt-sm", "iq-last iq-ping iq-time iq-version amp disco status presence"),
    ("pkt-user", "roster presence disco iq-vcard amp deliver vacation offline iq-last"),
    ("pkt-router", "session disco"),
    ("user-load", "active roster privacy vacation"),
    ("user-create", "active"),
    ("user-delete", "active offline privacy roster vacation status iq-last iq-private iq-vcard"),
    ("disco-extend", "iq-version"),
)

KINDS = {kind.name: kind for kind in (Prosody, Ejabberd, Jabberd2)}


def start(name, **options):
    """A server by its name, not yet started; use it with `with`, or start(), wait(), close()."""
    return KINDS[name](**options)


def read(path):
    with open(path) as file:
        return file.read()


def lua_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def file_name(text):
    """A name as Prosody's own store spells it."""
    return "".join(c if c.isalnum() and c.isascii() else f"%{ord(c):02x}" for c in text)


def scram_account(password, salt="pepper", rounds=4096):
    """An account of Prosody's hashed store."""
    salted = hashlib.pbkdf2_hmac("sha1", password.encode(), salt.encode(), rounds)
    client_key = hmac.digest(salted, b"Client Key", "sha1")
    server_key = hmac.digest(salted, b"Server Key", "sha1")
    stored_key = hashlib.sha1(client_key).hexdigest()
    return (
        f'return {{ salt = "{salt}"; iteration_count = {rounds};'
        f' stored_key = "{stored_key}"; server_key = "{server_key.hex()}"; }};\n'
    )


def can_log_in(port, domain, user, before=b""):
    """Authenticates with PLAIN and closes in order, without a bind. False if any step fails."""
    header = (
        f"<stream:stream to='{domain}' version='1.0' xmlns='jabber:client'"
        " xmlns:stream='http://etherx.jabber.org/streams'>"
    ).encode()
    secret = base64.b64encode(f"\0{user}\0{PASSWORD}".encode())
    sasl = b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>" % secret
    steps = (
        (before + header, b"</stream:features>"),
        (sasl, b"<success"),
        (header, b"</stream:features>"),
        (b"</stream:stream>", b"</stream:stream>"),
    )
    try:
        with socket.create_connection((process.LOOPBACK, port), timeout=5) as stream:
            return all(converse(stream, *step) for step in steps)
    except OSError:
        return False


def converse(stream, say, expect):
    stream.sendall(say)
    heard = b""
    while expect not in heard:
        more = stream.recv(65536)
        if not more:
            return False
        heard += more
    return True
