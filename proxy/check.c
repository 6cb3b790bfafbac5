/* SPDX-License-Identifier: MIT */
/*
 * Looks at what the configuration names: is the certificate there, is it valid today,
 * does it name the domain, does the key belong to it, and who else can read the key; is
 * there as much memory as the sessions may take. The mistake is reported at the line that
 * names it.
 */
#include "proxy/check.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proxy/conf_read.h"
#include "proxy/conf_table.h"

struct checking {
    const struct conf_host *host;
    int64_t now_s;
    struct conf_problems *problems;
};

/* The line of a key, or of the section if the default counts. */
static unsigned line_of(const struct checking *k, const char *key)
{
    unsigned line = conf_entry(CONF_SECTION_HOST, k->host, key)->line;

    return line ? line : k->host->line;
}

#define ERROR(k, key, ...) conf_problems_add((k)->problems, line_of(k, key), false, __VA_ARGS__)
#define WARN(k, key, ...)  conf_problems_add((k)->problems, line_of(k, key), true, __VA_ARGS__)

static FILE *open_named(const struct checking *k, const char *key, const char *path)
{
    struct stat st;
    FILE *file = fopen(path, "re");

    if (file && !fstat(fileno(file), &st) && S_ISDIR(st.st_mode)) {
        fclose(file);
        file = NULL;
        errno = EISDIR;
    }
    if (!file)
        ERROR(k, key, "%s: %s: %s", key, path, strerrordesc_np(errno));
    return file;
}

/* A passphrase would be asked for on a terminal that a service does not have. */
static int no_passphrase(char *, int, int, void *asked)
{
    *(bool *)asked = true;
    return -1;
}

static void check_key_mode(const struct checking *k, int fd)
{
    struct stat st;

    if (fstat(fd, &st) || !(st.st_mode & (S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH)))
        return;
    WARN(k, "private_key", "private_key: %s can be read or written by %s", k->host->private_key,
         st.st_mode & (S_IROTH | S_IWOTH) ? "everybody" : "its group");
}

static EVP_PKEY *read_key(const struct checking *k)
{
    const char *path = k->host->private_key;
    FILE *file = open_named(k, "private_key", path);
    bool asked = false;

    if (!file)
        return NULL;
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, no_passphrase, &asked);

    if (asked)
        ERROR(k, "private_key", "private_key: %s has a passphrase, which nobody could type", path);
    else if (!key)
        ERROR(k, "private_key", "private_key: %s holds no private key in PEM form", path);
    check_key_mode(k, fileno(file));
    fclose(file);
    ERR_clear_error();
    return key;
}

/* The whole chain is read, so that a broken certificate behind the leaf is found; the leaf is
 * returned. */
static X509 *read_certificate(const struct checking *k)
{
    const char *path = k->host->certificate;
    FILE *file = open_named(k, "certificate", path);
    X509 *leaf = NULL;

    if (!file)
        return NULL;
    for (X509 *next; (next = PEM_read_X509(file, NULL, NULL, NULL));) {
        if (leaf)
            X509_free(next);
        else
            leaf = next;
    }
    unsigned long end = ERR_peek_last_error();

    if (ERR_GET_LIB(end) != ERR_LIB_PEM || ERR_GET_REASON(end) != PEM_R_NO_START_LINE)
        ERROR(k, "certificate", "certificate: %s holds a certificate that cannot be read", path);
    else if (!leaf)
        ERROR(k, "certificate", "certificate: %s holds no certificate in PEM form", path);
    ERR_clear_error();
    fclose(file);
    return leaf;
}

/* Date and time of an ASN.1 time, for people. */
static void show_time(const ASN1_TIME *when, char *text, size_t max)
{
    struct tm tm;

    if (!ASN1_TIME_to_tm(when, &tm) || !strftime(text, max, "%Y-%m-%d %H:%M:%S UTC", &tm))
        snprintf(text, max, "an unknown time");
}

static void check_dates(const struct checking *k, const X509 *certificate)
{
    time_t now = (time_t)k->now_s;
    char when[40];

    if (X509_cmp_time(X509_get0_notBefore(certificate), &now) > 0) {
        show_time(X509_get0_notBefore(certificate), when, sizeof when);
        ERROR(k, "certificate", "certificate: %s is not valid before %s", k->host->certificate,
              when);
    }
    if (X509_cmp_time(X509_get0_notAfter(certificate), &now) < 0) {
        show_time(X509_get0_notAfter(certificate), when, sizeof when);
        ERROR(k, "certificate", "certificate: %s expired at %s", k->host->certificate, when);
    }
}

/* The names that only XMPP has: id-on-xmppAddr, the domain in UTF-8, and the SRV-ID
 * _xmpp-client.domain in its DNS form (RFC 6120, 13.7.1.2). */
static bool other_name_is(const struct conf_host *host, const OTHERNAME *name)
{
    int nid = OBJ_obj2nid(name->type_id);
    const ASN1_STRING *value;
    char service[300];

    if (name->value->type != V_ASN1_UTF8STRING && name->value->type != V_ASN1_IA5STRING)
        return false;
    value = name->value->value.asn1_string;
    if (nid != NID_SRVName && nid != NID_XmppAddr)
        return false;
    snprintf(service, sizeof service, "_xmpp-client.%s", host->ascii);
    return span_is((struct span){(const char *)ASN1_STRING_get0_data(value),
                                 (size_t)ASN1_STRING_length(value)},
                   nid == NID_SRVName ? service : host->domain);
}

static bool names_host(const struct conf_host *host, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = X509_check_host(certificate, host->ascii, 0, 0, NULL) == 1;

    for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        found = name->type == GEN_OTHERNAME && other_name_is(host, name->d.otherName);
    }
    GENERAL_NAMES_free(names);
    return found;
}

static void check_pair(const struct checking *k)
{
    const struct conf_host *host = k->host;
    X509 *certificate = host->certificate && *host->certificate ? read_certificate(k) : NULL;
    EVP_PKEY *key = host->private_key && *host->private_key ? read_key(k) : NULL;

    if (certificate) {
        check_dates(k, certificate);
        if (host->domain && !names_host(host, certificate))
            WARN(k, "certificate", "certificate: %s does not name %s: clients will not trust it",
                 host->certificate, host->domain);
    }
    if (certificate && key && X509_check_private_key(certificate, key) != 1)
        ERROR(k, "private_key", "private_key: %s does not belong to the certificate %s",
              host->private_key, host->certificate);
    ERR_clear_error();
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void check_upstream(const struct checking *k)
{
    const char *ca = k->host->upstream_ca;

    if (k->host->upstream_tls == CONF_UPSTREAM_PLAIN)
        return;
    WARN(k, "upstream_tls",
         "upstream_tls: sessions over a link with TLS do not survive a restart of Holdfast");
    if (ca && *ca && access(ca, R_OK))
        ERROR(k, "upstream_ca", "upstream_ca: %s: %s", ca, strerrordesc_np(errno));
}

void check_hosts(const struct conf *conf, int64_t now_s, struct conf_problems *problems)
{
    for (size_t i = 0; i < conf->host_count; i++) {
        struct checking k = {.host = &conf->hosts[i], .now_s = now_s, .problems = problems};

        check_pair(&k);
        check_upstream(&k);
    }
}

/* --- memory --- */

/* Beside the arenas stand the connections, with TLS about 18 KB each, and what the program itself
 * takes. */
enum { BESIDE = 8 }; /* an eighth is left for them */

bool check_memory_is_short(const struct conf *conf, const struct allowance *allowed)
{
    return allowed->bytes && conf->limits.memory > allowed->bytes - allowed->bytes / BESIDE;
}

static void check_memory(const struct conf *conf, const struct allowance *allowed,
                         struct conf_problems *problems)
{
    enum { MB = 1024 * 1024 };
    unsigned line = conf_entry(CONF_SECTION_LIMITS, &conf->limits, "memory")->line;

    if (check_memory_is_short(conf, allowed))
        conf_problems_add(
            problems, line, true,
            "memory: %zuM for sessions do not fit into the %lluM that %s has, with an "
            "eighth left for connections: the kernel may kill Holdfast",
            conf->limits.memory / MB, (unsigned long long)allowed->bytes / MB, allowed->whose);
}

int check_run(const char *path, const struct allowance *allowed, FILE *out)
{
    struct conf_problems problems = {0};
    struct conf *conf;

    if (conf_read_all(path, &conf, &problems) == 0) {
        check_hosts(conf, time(NULL), &problems);
        check_memory(conf, allowed, &problems);
        conf_free(conf);
    }
    int status = problems.errors ? 1 : 0;

    conf_problems_print(&problems, out);
    conf_problems_clear(&problems);
    return status;
}
