/* SPDX-License-Identifier: MIT */
/*
 * The configuration: what the file says, as values with their units.
 *
 * A struct conf is read whole, judged whole, and never changes afterwards; it owns
 * everything it points to. Each field is one row of the table in conf_table.c,
 * which has its key, its default and its bounds; etc/holdfast.ini explains them.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "parser/span.h"
#include "proxy/log.h"

#define CONF_PATH "/etc/holdfast/holdfast.ini"

enum conf_transport { CONF_STARTTLS, CONF_TLS, CONF_WS, CONF_WSS };
enum conf_upstream_tls { CONF_UPSTREAM_PLAIN, CONF_UPSTREAM_STARTTLS, CONF_UPSTREAM_TLS };
enum conf_upstream_proxy { CONF_UPSTREAM_PROXY_NO, CONF_UPSTREAM_PROXY_V1, CONF_UPSTREAM_PROXY_V2 };
enum conf_ack { CONF_ACK_CONFIRMED, CONF_ACK_FORWARDED };
enum conf_expiry { CONF_EXPIRY_SPOOL, CONF_EXPIRY_BOUNCE, CONF_EXPIRY_DROP };

enum {
    CONF_LIST_MAX = 64,    /* values in a list */
    CONF_LISTENS_MAX = 64, /* [listen NAME] sections */
    CONF_HOSTS_MAX = 1000, /* [host DOMAIN] sections */
    CONF_PROBLEMS_MAX = 200,
};

struct conf_address {
    struct sockaddr_storage addr;
    socklen_t len;
};

struct conf_addresses {
    struct conf_address *at;
    size_t count;
};

/* The bits of an address behind the prefix are zero. */
struct conf_network {
    sa_family_t family; /* AF_INET or AF_INET6 */
    uint8_t prefix;     /* bits, up to 32 or 128 */
    uint8_t bytes[16];  /* in network order; 4 are used with AF_INET */
};

struct conf_networks {
    struct conf_network *at;
    size_t count;
};

/* A server to connect to: a name to resolve, or an IP address as text, without brackets. */
struct conf_target {
    char *host;
    uint16_t port;
};

struct conf_targets {
    struct conf_target *at;
    size_t count;
};

/* Where a value stood in the file. */
struct conf_entry {
    char *text;    /* as written, without the blanks around it; NULL if the default counts */
    unsigned line; /* 0 if the default counts */
};

struct conf_main {
    uint32_t workers; /* 0: one for each core */
    char *runtime_dir;
    char *state_dir;
    enum log_level log_level;
    enum log_format log_format;
    struct conf_addresses metrics; /* none or one */
    struct conf_entry *entries;    /* one for each row of the section, as in all sections */
};

struct conf_listen {
    char *name;                      /* the NAME of [listen NAME] */
    unsigned line;                   /* of its heading */
    struct conf_addresses addresses; /* empty: only sockets handed over by socket activation */
    enum conf_transport transport;
    bool proxy_protocol;             /* required, from the networks in proxy_from */
    struct conf_networks proxy_from; /* not empty if proxy_protocol */
    char *path;                      /* of WebSocket; begins with a slash */
    char *origins;                   /* of WebSocket: with blanks between them; "*" is any, "" the
                                        domains' own */
    struct conf_entry *entries;
};

struct conf_host {
    char *domain; /* prepared by nameprep: the form in which headers are compared */
    char *ascii;  /* the same as in DNS, SNI and certificates (xn--…) */
    unsigned line;
    struct conf_targets upstreams; /* one or more, tried in turn */
    enum conf_upstream_tls upstream_tls;
    char *upstream_ca; /* a file or a directory; "" is the system's */
    enum conf_upstream_proxy upstream_proxy_protocol;
    uint32_t upstream_logins;               /* at once */
    struct conf_addresses upstream_sources; /* port 0; empty: the system chooses */
    char *certificate;                      /* a PEM file: the chain, leaf first */
    char *private_key;                      /* a PEM file */
    char *websocket_url;                    /* announced in host-meta; "": none is */
    struct conf_entry *entries;
};

struct conf_stream_management {
    uint64_t resume_timeout_ms;
    enum conf_ack ack;
    uint32_t request_after; /* stanzas */
    uint64_t request_idle_ms;
    uint64_t request_every_ms;
    uint64_t ack_timeout_ms;
    uint64_t idle_check_ms;
    uint32_t queue_stanzas; /* per session */
    size_t queue_bytes;     /* per session */
    uint32_t sessions_per_account;
    enum conf_expiry on_expiry; /* never spool yet: read as bounce, with a warning */
    struct conf_entry *entries;
};

struct conf_limits {
    size_t memory; /* bytes, all arenas together */
    uint32_t connections_per_ip;
    uint32_t connection_rate_per_ip; /* a second */
    uint64_t unauthenticated_timeout_ms;
    size_t stanza_bytes;
    size_t stanza_bytes_unauthenticated;
    struct conf_entry *entries;
};

struct conf {
    char *path; /* of the file */
    struct conf_main main;
    struct conf_listen *listens; /* in the order of the file */
    size_t listen_count;
    struct conf_host *hosts;
    size_t host_count;
    struct conf_stream_management sm;
    struct conf_limits limits;
};

struct conf_problem {
    unsigned line; /* 0: the file as a whole */
    bool warning;  /* a warning does not make the configuration wrong */
    char *text;
};

/* All that is wrong with a file, in the order found. Begins as {0}. */
struct conf_problems {
    char *path; /* of the file */
    struct conf_problem *at;
    size_t count;
    size_t errors;   /* those that are not warnings, kept or not */
    size_t left_off; /* beyond CONF_PROBLEMS_MAX, or for want of memory */
};

/*
 * Reads and judges the file. On success *out is the caller's, to be given to conf_free; there may
 * be warnings. Otherwise *out is untouched, the mistakes are in `problems`, and the result is
 * -EINVAL, or what the system said if the file cannot be read. Either way `problems` is the
 * caller's to clear.
 */
[[nodiscard]] int conf_read(const char *path, struct conf **out, struct conf_problems *problems);

/* The host that serves a domain prepared as by jid_prepare; NULL if none does. */
const struct conf_host *conf_host(const struct conf *conf, struct span domain);

/* The host whose domain a TLS client names by SNI, without regard to case; NULL if none has it. */
const struct conf_host *conf_host_by_sni(const struct conf *conf, const char *name);

/* True if the address is in one of the networks. An IPv4 address mapped into IPv6 is taken as IPv4.
 */
[[nodiscard]] bool conf_networks_hold(const struct conf_networks *networks,
                                      const struct sockaddr *addr);

/* Adds a warning for each setting that differs between the two and that only a restart changes. */
void conf_compare(const struct conf *now, const struct conf *next, struct conf_problems *problems);

/* NULL is allowed, and a configuration read in part. */
void conf_free(struct conf *conf);

/* Adds a problem; `line` and `warning` as in struct conf_problem. */
__attribute__((format(printf, 4, 5))) void conf_problems_add(struct conf_problems *problems,
                                                             unsigned line, bool warning,
                                                             const char *format, ...);

/* FILE:LINE: message, one a line, in the order of the lines; warnings say so. */
void conf_problems_print(const struct conf_problems *problems, FILE *out);
void conf_problems_clear(struct conf_problems *problems);
