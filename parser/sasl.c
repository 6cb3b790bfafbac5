/* SPDX-License-Identifier: MIT */
/*
 * A client's messages are decoded into a buffer that is wiped before the function
 * returns: they hold passwords.
 *
 * An account taken for seen is believed when a session is resumed. So it is seen only
 * if every server that accepts the message must read the same name in it; where
 * servers are known to read differently, it is unseen, and the server is asked.
 */
#include "parser/sasl.h"

#include <string.h>

#include "parser/jid.h"

/* What one message says of who its sender is. */
struct claim {
    struct span username;
    struct span authzid; /* absent or empty: the username's own account */
    bool doubtful;       /* servers may read the username differently */
    bool other_realm;    /* the username is one of a realm that is not the domain */
    struct sink names;   /* where names that had to be decoded are */
};

/* --- base64 --- */

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters, the last `pad` of which stand for nothing. The bits that no byte takes are zero
 * in every message of an honest encoder. */
static bool decode_quad(char *out, const char *quad, size_t pad)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < 4; i++) {
        int six = i < 4 - pad ? sextet(quad[i]) : 0;

        if (six < 0)
            return false;
        bits = bits << 6 | (uint32_t)six;
    }
    if (bits & ((1U << 8 * pad) - 1))
        return false;
    for (size_t i = 0; i < 3 - pad; i++)
        out[i] = (char)(bits >> (16 - 8 * i));
    return true;
}

/* RFC 4648, 4, with padding and without white space (RFC 6120, 13.9.1). "=" alone is the message of
 * no bytes (RFC 6120, 6.4.2). */
static bool decode_base64(char *out, size_t max, struct span text, size_t *len)
{
    size_t pad = 0;

    *len = 0;
    if (!text.len || span_is(text, "="))
        return true;
    if (text.len % 4)
        return false;
    if (text.p[text.len - 1] == '=')
        pad = text.p[text.len - 2] == '=' ? 2 : 1;
    if (text.len / 4 * 3 - pad > max)
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        size_t quad_pad = i + 4 == text.len ? pad : 0;

        if (!decode_quad(out + *len, text.p + i, quad_pad))
            return false;
        *len += 3 - quad_pad;
    }
    return true;
}

/* --- what the mechanisms say --- */

/* Cuts off what stands in front of the first `separator`; all of it if there is none, and then
 * *rest is absent. */
static struct span cut(struct span *rest, char separator)
{
    struct span head = *rest;
    const char *at = head.len ? memchr(head.p, separator, head.len) : NULL;

    if (!at) {
        *rest = SPAN_NONE;
        return head;
    }
    head.len = (size_t)(at - head.p);
    *rest = (struct span){at + 1, rest->len - head.len - 1};
    return head;
}

static bool begins(struct span s, const char *with)
{
    size_t len = strlen(with);

    return s.len >= len && !memcmp(s.p, with, len);
}

/* [authzid] NUL authcid NUL passwd (RFC 4616, 2). An empty password is for the server to refuse. */
static bool read_plain(struct claim *c, struct span message)
{
    struct span rest = message;

    c->authzid = cut(&rest, '\0');
    if (!rest.p)
        return false;
    c->username = cut(&rest, '\0');
    return rest.p && c->username.len && !(rest.len && memchr(rest.p, '\0', rest.len));
}

/* A saslname behind `prefix`: no NUL, and = only in =2C and =3D (RFC 5802, 5.1). */
static bool read_saslname(struct claim *c, struct span field, const char *prefix, struct span *out)
{
    size_t start = c->names.len;

    if (!begins(field, prefix) || field.len == strlen(prefix) || memchr(field.p, '\0', field.len))
        return false;
    field = (struct span){field.p + strlen(prefix), field.len - strlen(prefix)};
    while (field.len) {
        size_t used = 1;

        if (begins(field, "=2C") || begins(field, "=3D")) {
            sink_puts(&c->names, field.p[1] == '2' ? "," : "=");
            used = 3;
        } else if (field.p[0] == '=') {
            return false;
        } else {
            sink_put(&c->names, (struct span){field.p, 1});
        }
        field = (struct span){field.p + used, field.len - used};
    }
    *out = (struct span){c->names.p + start, c->names.len - start};
    return !c->names.full;
}

/* r= and printable ASCII without the comma. */
static bool is_nonce(struct span field)
{
    if (!begins(field, "r=") || field.len == 2)
        return false;
    for (size_t i = 2; i < field.len; i++)
        if (field.p[i] < '!' || field.p[i] > '~')
            return false;
    return true;
}

/* client-first-message of RFC 5802, 7: flag,[a=authzid],n=username,r=nonce[,extensions]. Its
 * reserved m= has to make the authentication fail, and does. */
static bool read_scram(struct claim *c, struct span message)
{
    struct span rest = message;
    struct span flag = cut(&rest, ',');
    struct span authzid = cut(&rest, ',');
    struct span username = cut(&rest, ',');
    struct span nonce = cut(&rest, ',');

    if (!span_is(flag, "n") && !span_is(flag, "y") && !(begins(flag, "p=") && flag.len > 2))
        return false;
    if (authzid.len && !read_saslname(c, authzid, "a=", &c->authzid))
        return false;
    return read_saslname(c, username, "n=", &c->username) && is_nonce(nonce);
}

static bool is_lws(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_lws(struct span *s)
{
    while (s->len && is_lws(s->p[0]))
        *s = (struct span){s->p + 1, s->len - 1};
}

/* 1*<any CHAR except CTLs or separators> (RFC 2831, 7.1). */
static bool cut_token(struct span *rest, struct span *token)
{
    size_t len = 0;

    while (len < rest->len && rest->p[len] > ' ' && rest->p[len] <= '~' &&
           !strchr("()<>@,;:\\\"/[]?={}", rest->p[len]))
        len++;
    *token = (struct span){rest->p, len};
    *rest = (struct span){rest->p + len, rest->len - len};
    return len > 0;
}

/* What stands between the quotes, as it stands there; a backslash protects the next character. */
static bool cut_quoted(struct span *rest, struct span *value)
{
    size_t i = 1;

    while (i < rest->len && rest->p[i] != '"')
        i += rest->p[i] == '\\' ? 2 : 1;
    if (i >= rest->len)
        return false;
    *value = (struct span){rest->p + 1, i - 1};
    *rest = (struct span){rest->p + i + 1, rest->len - i - 1};
    return true;
}

/* One name=value (RFC 2831, 7.2); values are tokens or quoted. */
static bool cut_directive(struct span *rest, struct span *name, struct span *value)
{
    if (!cut_token(rest, name))
        return false;
    skip_lws(rest);
    if (!rest->len || rest->p[0] != '=')
        return false;
    *rest = (struct span){rest->p + 1, rest->len - 1};
    skip_lws(rest);
    if (rest->len && rest->p[0] == '"') {
        if (!cut_quoted(rest, value))
            return false;
    } else if (!cut_token(rest, value)) {
        return false;
    }
    skip_lws(rest);
    return !rest->len || rest->p[0] == ',';
}

static bool has(struct span s, char c)
{
    return s.len && memchr(s.p, c, s.len);
}

static bool is_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] & 0x80)
            return false;
    return true;
}

static char small(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool is_word(struct span s, const char *word)
{
    if (s.len != strlen(word))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (small(s.p[i]) != word[i])
            return false;
    return true;
}

/* digest-response of RFC 2831, 2.1.2. Servers are known that cut it at commas without regard to
 * quotes, and such that leave backslashes in: a message that has these in a value is read in
 * several ways. Text without charset=utf-8 is in ISO 8859-1. */
static bool read_digest(struct claim *c, struct span message, struct span domain)
{
    struct span rest = message, name, value, realm = SPAN_NONE, charset = SPAN_NONE;
    struct {
        const char *name;
        struct span *value;
    } wanted[] = {{"username", &c->username},
                  {"realm", &realm},
                  {"authzid", &c->authzid},
                  {"charset", &charset}};

    for (;;) {
        while (rest.len && (is_lws(rest.p[0]) || rest.p[0] == ','))
            rest = (struct span){rest.p + 1, rest.len - 1};
        if (!rest.len)
            break;
        if (!cut_directive(&rest, &name, &value))
            return false;
        c->doubtful = c->doubtful || has(value, ',') || has(value, '\\');
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            if (!is_word(name, wanted[i].name))
                continue;
            if (wanted[i].value->p)
                return false;
            *wanted[i].value = value;
        }
    }
    if (!is_ascii(c->username) && !is_word(charset, "utf-8"))
        c->doubtful = true;
    if (realm.len) {
        char prepared[JID_PART_MAX];
        struct sink k = SINK(prepared);

        c->other_realm = !jid_domain(&k, realm) || !span_eq(sink_span(&k), domain);
    }
    return c->username.len > 0;
}

/* --- who that is --- */

/* The localpart that a name of this domain's has: "alice" and "alice@domain" are the same one. */
static bool own_local(struct sink *k, struct span name, struct span domain)
{
    struct span local, host, resource;
    char prepared[JID_PART_MAX];
    struct sink prepared_host = SINK(prepared);

    if (!has(name, '@'))
        return jid_local(k, name);
    return jid_split(name, &local, &host, &resource) && local.p && !resource.p &&
           jid_domain(&prepared_host, host) && span_eq(sink_span(&prepared_host), domain) &&
           jid_local(k, local);
}

static enum sasl_seen seen_so_far(const struct sasl *s)
{
    return s->account_len ? SASL_ACCOUNT : SASL_UNSEEN;
}

/* An exchange has one identity: a message that comes after it and speaks of another one is not what
 * any mechanism prescribes. */
static enum sasl_seen judge(struct sasl *s, const struct claim *c, struct span domain)
{
    char username[JID_PART_MAX], authzid[JID_PART_MAX];
    struct sink user = SINK(username), other = SINK(authzid);
    bool clear = !c->doubtful && own_local(&user, c->username, domain);
    struct span account = clear && !c->other_realm ? sink_span(&user) : SPAN_NONE;

    if (c->authzid.len && !(clear && own_local(&other, c->authzid, domain) &&
                            span_eq(sink_span(&other), sink_span(&user))))
        return SASL_FOREIGN;
    if (s->step > 1 && !span_eq(account, sasl_account(s)))
        return SASL_MALFORMED;
    memcpy(s->account, username, account.len);
    s->account_len = (uint16_t)account.len;
    return seen_so_far(s);
}

/* A message that is not empty. In SCRAM all but the first begin with c=, and name nobody. */
static enum sasl_seen understand(struct sasl *s, struct span message, struct span domain)
{
    char names[SASL_BYTES_MAX];
    struct claim claim = {.names = SINK(names)};
    struct span mechanism = span_of(s->mechanism);
    bool well_formed;

    if (span_is(mechanism, "PLAIN")) {
        well_formed = read_plain(&claim, message);
    } else if (span_is(mechanism, "DIGEST-MD5")) {
        well_formed = read_digest(&claim, message, domain);
    } else if (begins(mechanism, "SCRAM-")) {
        if (s->step > 1 && begins(message, "c="))
            return seen_so_far(s);
        well_formed = read_scram(&claim, message);
    } else {
        return SASL_UNSEEN;
    }
    return well_formed ? judge(s, &claim, domain) : SASL_MALFORMED;
}

/* Messages without bytes are in every mechanism's exchange the client's "go on". */
static enum sasl_seen take(struct sasl *s, struct span text, struct span domain)
{
    char scratch[SASL_BYTES_MAX];
    size_t len;
    enum sasl_seen seen = SASL_MALFORMED;
    bool decoded = decode_base64(scratch, sizeof scratch, text, &len);

    if ((len || !decoded) && s->step < UINT8_MAX)
        s->step++;
    if (decoded)
        seen = len ? understand(s, (struct span){scratch, len}, domain) : seen_so_far(s);
    explicit_bzero(scratch, sizeof scratch);
    if (seen == SASL_FOREIGN || seen == SASL_MALFORMED)
        s->account_len = 0;
    return seen;
}

static bool is_mechanism(struct span name)
{
    if (!name.len || name.len > 20)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return true;
}

enum sasl_seen sasl_auth(struct sasl *s, const struct element *auth, struct span domain)
{
    struct span mechanism = element_attribute(auth, "mechanism");

    memset(s, 0, sizeof *s);
    if (!is_mechanism(mechanism))
        return SASL_MALFORMED;
    memcpy(s->mechanism, mechanism.p, mechanism.len);
    return take(s, auth->text, domain);
}

enum sasl_seen sasl_response(struct sasl *s, const struct element *response, struct span domain)
{
    if (!s->mechanism[0])
        return SASL_MALFORMED;
    return take(s, response->text, domain);
}

struct span sasl_account(const struct sasl *s)
{
    return s->account_len ? (struct span){s->account, s->account_len} : SPAN_NONE;
}

/* The text of the only child of that name; absent if there is none. False if there are more. */
static bool only_text(const struct element *query, const char *name, struct span *out)
{
    *out = SPAN_NONE;
    for (const struct element *e = query->child; e; e = e->next) {
        if (!element_is(e, NS_IQ_AUTH, name))
            continue;
        if (out->p)
            return false;
        *out = e->text.p ? e->text : SPAN_LIT("");
    }
    return true;
}

bool sasl_iq_auth(struct sasl *s, const struct element *iq, struct span *resource)
{
    const struct element *query = element_child(iq, NS_IQ_AUTH, "query");
    struct sink account = {.p = s->account, .max = sizeof s->account};
    struct span username;

    memset(s, 0, sizeof *s);
    *resource = SPAN_NONE;
    if (!query || !only_text(query, "username", &username) ||
        !only_text(query, "resource", resource))
        return false;
    if (!username.len)
        return true;
    if (!jid_local(&account, username))
        return false;
    s->account_len = (uint16_t)account.len;
    return true;
}
