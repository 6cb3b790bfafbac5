# SPDX-License-Identifier: MIT
"""Who may include whom, and what the libraries may ask of the linker: the tables behind the checks."""

# A folder's files may include those of the folders behind it, and of its own.
FOLDERS = {
    "parser": ("parser",),
    "sm": ("sm",),
    "proxy": ("proxy", "parser", "sm"),
}

# Folders of tests with files that others of the tests' files include.
SHARED_BY_TESTS = (
    "tests/support", "tests/fuzz", "tests/integration/clients", "tests/load", "tests/bench", "tests/sim"
)

# proxy/ from top to bottom, by the names of files without their endings; * stands for anything. A file
# includes only what is on its own floor or below.
FLOORS = (
    ("main", "holdfastctl"),
    ("control", "control_*"),
    ("worker", "listener", "arenas", "recover"),
    "relay relay_* upward downward orders negotiate enable greet resume farewell offence serve upgrade".split(),
    ("client", "client_*", "link", "link_*", "upstream", "admission"),
    ("tools", "websocket", "inflow", "keep"),
    ("tls", "tls_*", "resolve", "check", "parking"),
    ("conf", "conf_*"),
    ("allowance", "descriptors", "log", "log_*", "net", "buffer", "text", "ends", "keeper", "stored", "lot", "kernel"),
)

# What may be undefined in a library beside what its own files define. Sanitizers, the stack protector and
# _FORTIFY_SOURCE bring names of their own: __name_chk is name.
MEMORY = "malloc calloc realloc free memchr memcmp bcmp memcpy memmove memset explicit_bzero qsort"
STRINGS = "strlen strcmp strncmp strchr strrchr strcasecmp strncasecmp strnlen"
FAILING = "__assert_fail __stack_chk_fail"
SYMBOLS = {
    "sm": f"{MEMORY} {STRINGS} {FAILING}".split(),
    # Addresses in a PROXY header are text; inet_ntop and inet_pton touch nothing but memory.
    "parser": f"{MEMORY} {STRINGS} {FAILING} inet_ntop inet_pton XML_* stringprep* wslay_frame_* http_parser_*".split(),
}
COMPILERS_OWN = "__asan_* __ubsan_* __tsan_* __odr_asan* __gcov_* __llvm_* _GLOBAL_OFFSET_TABLE_".split()
