/* SPDX-License-Identifier: MIT */
/*
 * The worker is compiled here, with its thread left out: who runs its loop has to see inside.
 * Files are memfds, so that nothing is left behind.
 */
#include "tests/fuzz/negotiation_world.h"

#include "proxy/worker.c" /* its loop, its mailbox and its end are run from here */

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/admission.h"
#include "proxy/conf_read.h"
#include "proxy/resolve.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/negotiation_plugs.h"

enum {
    STEPS = 4,        /* in which time passes */
    RESTLESS = 20000, /* rounds after which a loop is taken for one that never rests */
    FORGOTTEN_MS = 49 * 3600 * 1000, /* tombstones, messages left, addresses: all are forgotten */
    PATH = 32,
};

const char *const world_hosts[WORLD_HOSTS] = {"plain.example", "starttls.example", "tls.example",
                                              "told.example"};

static const char *const settings[WORLD_KINDS] = {
    [WORLD_USUAL] = "[stream-management]\n"
                    "request_after = 3\n"
                    "queue_stanzas = 20\n"
                    "queue_bytes = 16K\n"
                    "sessions_per_account = 3\n"
                    "on_expiry = bounce\n"
                    "[limits]\n"
                    "memory = 64M\n"
                    "connections_per_ip = 6\n"
                    "stanza_bytes = 10000\n"
                    "stanza_bytes_unauthenticated = 4K\n",
    [WORLD_TIGHT] = "[stream-management]\n"
                    "ack = forwarded\n"
                    "request_after = 1\n"
                    "queue_stanzas = 4\n"
                    "queue_bytes = 4K\n"
                    "sessions_per_account = 1\n"
                    "on_expiry = drop\n"
                    "[limits]\n"
                    "memory = 1M\n"
                    "connections_per_ip = 1\n"
                    "connection_rate_per_ip = 1\n"
                    "stanza_bytes = 10000\n"
                    "stanza_bytes_unauthenticated = 4K\n",
};

/* Where the counters of sessions begin: in the tight world just before they wrap. */
static const uint32_t counter_starts[WORLD_KINDS] = {0, UINT32_MAX - 1};

static struct world worlds[WORLD_KINDS];

/* --- files --- */

/* A file of that text, which stays as long as the process. */
static void make_file(char path[PATH], const char *text, size_t len)
{
    int fd = memfd_create("negotiation", 0);
    ssize_t put = fd < 0 ? -1 : write(fd, text, len);

    HOLDS(put == (ssize_t)len, "%zd of %zu", put, len);
    snprintf(path, PATH, "/proc/self/fd/%d", fd);
}

static void add_names(X509 *x)
{
    char names[256] = "";
    X509_EXTENSION *extension;

    for (size_t i = 0; i < WORLD_HOSTS; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%sDNS:%s", i ? "," : "",
                 world_hosts[i]);
    extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
}

const char *world_certificate(void)
{
    static char path[PATH];
    EVP_PKEY *key;
    X509 *x;
    size_t len;
    BIO *text;
    char *p;

    if (path[0])
        return path;
    key = EVP_EC_gen("P-256");
    x = X509_new();
    X509_set_version(x, 2);
    X509_gmtime_adj(X509_getm_notBefore(x), -86400);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400L * 365);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"example", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    add_names(x);
    X509_sign(x, key, EVP_sha256());
    text = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(text, x);
    PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL);
    len = (size_t)BIO_get_mem_data(text, &p);
    make_file(path, p, len);
    BIO_free(text);
    X509_free(x);
    EVP_PKEY_free(key);
    return path;
}

static struct conf *read_settings(enum world_kind kind)
{
    static const char *const upstream_tls[WORLD_HOSTS] = {"no", "starttls", "tls", "no"};
    const char *file = world_certificate();
    struct conf_problems problems = {0};
    struct conf *conf;
    unsigned higher = WORLD_NEXT * (unsigned)kind;
    char text[4096], path[PATH];
    int len, r;

    len = snprintf(text, sizeof text,
                   "[holdfast]\nlog_level = %s\n"
                   "[listen starttls]\naddress = 127.0.0.1:%u\n"
                   "[listen tls]\naddress = 127.0.0.1:%u\ntransport = tls\n"
                   "[listen balanced]\naddress = 127.0.0.1:%u\ntransport = tls\n"
                   "proxy_protocol = yes\nproxy_from = 192.0.2.0/27\n"
                   "[listen web]\naddress = 127.0.0.1:%u\ntransport = ws\n"
                   "proxy_from = 192.0.2.0/27\n"
                   "[listen secureweb]\naddress = 127.0.0.1:%u\ntransport = wss\n"
                   "proxy_from = 192.0.2.0/28\n%s",
                   getenv("NEGOTIATION_LOG") ? "debug" : "error", WORLD_CLEAR + higher,
                   WORLD_SECURE + higher, WORLD_BALANCED + higher, WORLD_WEB + higher,
                   WORLD_WEB_SECURE + higher, settings[kind]);
    for (size_t i = 0; i < WORLD_HOSTS; i++)
        len += snprintf(text + len, sizeof text - (size_t)len,
                        "[host %s]\nupstream = 127.0.0.1:%zu 127.0.0.2:%zu\nupstream_tls = %s\n"
                        "upstream_ca = %s\ncertificate = %s\nprivate_key = %s\n%s",
                        world_hosts[i], WORLD_PORT + i, WORLD_PORT + i, upstream_tls[i], file, file,
                        file,
                        i == WORLD_TOLD ? "upstream_proxy_protocol = v1\nupstream_logins = 2\n"
                                          "upstream_source = 127.0.0.1\n"
                                        : "");
    make_file(path, text, (size_t)len);
    r = conf_read(path, &conf, &problems);
    conf_problems_print(&problems, stderr);
    conf_problems_clear(&problems);
    HOLDS(r == 0, "%d", r);
    log_init(conf->main.log_level, conf->main.log_format);
    return conf;
}

/* --- life --- */

static void make_world(struct world *w, enum world_kind kind)
{
    struct worker_setup *setup = &w->setup;
    struct keeper_gifts none = {0};

    w->conf = read_settings(kind);
    setup->conf = w->conf;
    setup->workers = WORLD_WORKERS;
    setup->all = w->workers;
    HOLDS(tls_keys_new(&setup->tls, w->conf, NULL) == 0, "TLS");
    HOLDS(resolve_new(&setup->resolve, w->conf) == 0, "names");
    w->descriptors.most = PLUGS_MAX;
    setup->descriptors = &w->descriptors;
    HOLDS(admission_new(&setup->admission, &w->conf->limits) == 0, "memory");
    HOLDS(arenas_open(&w->arenas, w->conf, counter_starts[kind], &none) == 0, "memory");
    for (size_t i = 0; i < SM_ARENAS; i++) {
        setup->cores[i] = w->arenas.core[i];
        setup->arena_fds[i] = w->arenas.fd[i];
    }
    w->used = w->arenas.budget.used;
}

struct world *world_enter(enum world_kind kind)
{
    struct world *w = &worlds[kind];

    if (!w->conf)
        make_world(w, kind);
    for (unsigned i = 0; i < WORLD_WORKERS; i++)
        if (!w->workers[i]) {
            HOLDS(worker_new(&w->workers[i], &w->setup, i) == 0, "worker %u", i);
            listeners_start(&w->workers[i]->listeners);
        }
    return w;
}

struct tools *world_tools(struct world *w, unsigned index)
{
    return worker_tools(w->workers[index]);
}

static bool rests(const struct worker *w)
{
    return STAILQ_EMPTY(&w->mails) && !ev_pending_count(w->tools.loop);
}

static bool rest(const struct world *w)
{
    for (unsigned i = 0; i < WORLD_WORKERS; i++)
        if (!rests(w->workers[i]))
            return false;
    return !plugs_has_events();
}

/* Ends with a round in which nothing happened: what was marked in the one before is freed then. */
void world_settle(struct world *w)
{
    uint64_t before = plugs.events;
    unsigned rounds = 0;

    if (w->settled_ms == plugs.now_ms && rest(w))
        return;
    w->settled_ms = plugs.now_ms;
    do {
        before = plugs.events;
        for (unsigned i = 0; i < WORLD_WORKERS; i++)
            ev_run(w->workers[i]->tools.loop, EVRUN_NOWAIT);
        HOLDS(rounds++ < RESTLESS, "%s", "it never comes to rest");
    } while (plugs.events != before || !rest(w));
}

void world_pass(struct world *w, uint64_t ms)
{
    for (unsigned i = STEPS; i; i--) {
        uint64_t step = ms / i;

        ms -= step;
        plugs.now_ms += step;
        world_settle(w);
    }
}

void world_stop(struct world *w)
{
    for (unsigned i = 0; i < WORLD_WORKERS; i++)
        HOLDS(worker_post(w->workers[i], stop, w->workers[i]), "memory");
    world_settle(w);
}

/* --- the end --- */

static bool has_links(const struct world *w)
{
    for (unsigned i = 0; i < WORLD_WORKERS; i++)
        if (!LIST_EMPTY(&w->workers[i]->tools.links))
            return true;
    return false;
}

static void is_empty(const struct worker *w)
{
    const struct tools *t = &w->tools;

    HOLDS(LIST_EMPTY(&t->clients) && LIST_EMPTY(&t->dead_clients), "%s", "a client is left");
    HOLDS(LIST_EMPTY(&t->links) && LIST_EMPTY(&t->dead_links), "%s", "a link is left");
    HOLDS(SLIST_EMPTY(&t->movers), "%s", "a client is about to move");
    HOLDS(!t->orders->todo, "orders are left: %x", t->orders->todo);
    HOLDS(!buffer_len(&t->wire) && !buffer_len(&t->gathered), "%s", "bytes for nobody are left");
    for (size_t i = 0; i < t->conf->host_count; i++) {
        HOLDS(!t->gates[i].inside, "%u are logging in", t->gates[i].inside);
        HOLDS(TAILQ_EMPTY(&t->gates[i].fresh) && TAILQ_EMPTY(&t->gates[i].begun), "%s",
              "somebody stands in line");
    }
}

void world_leave(struct world *w)
{
    world_pass(w, 20000); /* farewells have their time */
    if (w->workers[0]->stopping) {
        HOLDS(!has_links(w), "%s", "a link is left after the stop");
        for (unsigned i = 0; i < WORLD_WORKERS; i++) {
            is_empty(w->workers[i]);
            worker_free(w->workers[i]);
            w->workers[i] = NULL;
        }
        world_enter((enum world_kind)(w - worlds));
    }
    world_pass(w, FORGOTTEN_MS);
    world_pass(w, 2000); /* clocks that were found late by that wait for another moment */
    for (unsigned i = 0; i < WORLD_WORKERS; i++)
        is_empty(w->workers[i]);
    for (size_t i = 0; i < SM_ARENAS; i++) {
        struct sm_counts counts = sm_core_counts(w->arenas.core[i]);

        HOLDS(!counts.sessions, "%llu sessions are left", (unsigned long long)counts.sessions);
    }
    HOLDS(w->arenas.budget.used == w->used, "%zu bytes, %zu at first", w->arenas.budget.used,
          w->used);
    HOLDS(!w->arenas.budget.leaving, "%zu bytes", w->arenas.budget.leaving);
    HOLDS(!plugs_open(), "%u descriptors are open", plugs_open());
    HOLDS(!w->descriptors.used, "%u descriptors are counted", w->descriptors.used);
}
