/* SPDX-License-Identifier: MIT */
/*
 * SASL exchanges, several messages long. Whom Holdfast takes for seen is put back on his
 * session, so the account must be the one that the mechanism's own RFC reads in the
 * message: that is read here once more, by other code; DIGEST-MD5 as the worst of the
 * servers read it.
 *
 * Input: lines. The first one is the mechanism's name, each further one a message; its
 * first byte says what stands in the element: `=` and the rest of the line as base64, or
 * `!` and the rest as it is; anything else, the whole line as base64. ^ stands for NUL and
 * ~ for a line feed. The last line is also read as the children of a jabber:iq:auth iq.
 */
#include "parser/sasl.h"

#include <strings.h>

#include "parser/jid.h"
#include "tests/fuzz/fuzz_xml.h"

enum { MESSAGE_MAX = 8192, MESSAGES_MAX = 16 };

static const struct span domain = SPAN_LIT("example.org");

/* --- base64, as its RFC writes it --- */

static size_t encode(char *out, struct span in)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = 0;

    for (size_t i = 0; i < in.len; i += 3) {
        uint32_t bits = 0;

        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (i + j < in.len ? (uint8_t)in.p[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            out[len++] = i + j > in.len ? '=' : letters[bits >> (18 - 6 * j) & 63];
    }
    return len;
}

/* --- what the message says, read again --- */

/* The part of `s` in front of the first `mark`, which has to be there. */
static bool part(struct span *s, char mark, struct span *out)
{
    const char *at = s->len ? memchr(s->p, mark, s->len) : NULL;

    if (!at)
        return false;
    *out = (struct span){s->p, (size_t)(at - s->p)};
    *s = (struct span){at + 1, s->len - out->len - 1};
    return true;
}

/* RFC 5802: =2C is a comma, =3D an equals sign. */
static struct span saslname(struct span s, char *to)
{
    size_t len = 0;

    for (size_t i = 2; i < s.len; i++) {
        if (s.p[i] == '=' && s.len - i >= 3) {
            to[len++] = s.p[i + 2] == 'C' ? ',' : '=';
            i += 2;
        } else {
            to[len++] = s.p[i];
        }
    }
    return (struct span){to, len};
}

static struct span trimmed(struct span s)
{
    while (s.len && memchr(" \t\r\n", s.p[0], 4))
        s = (struct span){s.p + 1, s.len - 1};
    while (s.len && memchr(" \t\r\n", s.p[s.len - 1], 4))
        s.len--;
    return s;
}

/* The value of a directive, as a server reads it that cuts at commas whatever is quoted, and takes
 * the quotes off; absent if there is none. More than one are none that could be believed. */
static struct span directive(struct span message, const char *name)
{
    struct span found = SPAN_NONE;

    while (message.len) {
        const char *comma = memchr(message.p, ',', message.len);
        struct span one = {message.p, comma ? (size_t)(comma - message.p) : message.len}, key;

        message = (struct span){one.p + one.len, message.len - one.len};
        (void)fuzz_byte(&message);
        if (!part(&one, '=', &key))
            continue;
        key = trimmed(key);
        if (key.len != strlen(name) || strncasecmp(key.p, name, key.len))
            continue;
        HOLDS(!found.p, "%s twice", name);
        found = trimmed(one);
        if (found.len > 1 && found.p[0] == '"' && found.p[found.len - 1] == '"')
            found = (struct span){found.p + 1, found.len - 2};
    }
    return found;
}

/* username and authzid of a first message; false if it has not got that form. */
static bool names(const char *mechanism, struct span message, char *memory, struct span *username,
                  struct span *authzid)
{
    struct span flag;

    if (!strcmp(mechanism, "PLAIN"))
        return part(&message, '\0', authzid) && part(&message, '\0', username);
    if (!strcmp(mechanism, "DIGEST-MD5")) {
        *username = directive(message, "username");
        *authzid = directive(message, "authzid");
        return username->len;
    }
    if (!part(&message, ',', &flag) || !part(&message, ',', authzid) ||
        !part(&message, ',', username))
        return false;
    if (authzid->len)
        *authzid = saslname(*authzid, memory);
    *username = saslname(*username, memory + MESSAGE_MAX);
    return true;
}

/* The account that a name means in this domain: prepared, without the domain. */
static bool account_of(struct span name, struct sink *k)
{
    struct span local = name, host, resource;

    if (name.len && memchr(name.p, '@', name.len)) {
        char prepared[JID_PART_MAX];
        struct sink h = SINK(prepared);

        if (!jid_split(name, &local, &host, &resource) || resource.p || !jid_domain(&h, host) ||
            !span_eq(sink_span(&h), domain))
            return false;
    }
    return jid_local(k, local);
}

/* The message by which the account was seen names that account, and no other as authzid. */
static void check_names(const struct sasl *s, struct span message)
{
    static char memory[2 * MESSAGE_MAX];
    char one[JID_PART_MAX], other[JID_PART_MAX];
    struct sink user = SINK(one), authorized = SINK(other);
    struct span username, authzid;

    HOLDS(names(s->mechanism, message, memory, &username, &authzid), "%.*s", (int)message.len,
          message.p);
    HOLDS(account_of(username, &user) && span_eq(sink_span(&user), sasl_account(s)),
          "%.*s is not %.*s", (int)username.len, username.p, (int)s->account_len, s->account);
    HOLDS(!authzid.len || (account_of(authzid, &authorized) &&
                           span_eq(sink_span(&authorized), sasl_account(s))),
          "%.*s is not %.*s", (int)authzid.len, authzid.p, (int)s->account_len, s->account);
}

/* --- the exchange --- */

static void check_account(const struct sasl *s, enum sasl_seen seen)
{
    struct span account = sasl_account(s);
    char again[JID_PART_MAX];
    struct sink k = SINK(again);

    HOLDS((seen == SASL_ACCOUNT) == (account.len > 0), "%d, and %zu bytes", seen, account.len);
    HOLDS(!account.len || (jid_local(&k, account) && span_eq(sink_span(&k), account)),
          "%.*s is not prepared", (int)account.len, account.p);
}

/* One message's text, and what it decodes to where that is known. */
struct message {
    char text[MESSAGE_MAX * 4 / 3 + 4];
    size_t text_len;
    char bytes[MESSAGE_MAX];
    size_t len;
    bool known;
};

static void take_message(struct message *m, struct span line)
{
    bool raw = line.len && line.p[0] == '!';

    if (raw || (line.len && line.p[0] == '='))
        line = (struct span){line.p + 1, line.len - 1};
    line.len = line.len < MESSAGE_MAX ? line.len : MESSAGE_MAX;
    m->len = line.len;
    for (size_t i = 0; i < line.len; i++)
        m->bytes[i] = line.p[i] == '^' ? '\0' : (char)(line.p[i] == '~' ? '\n' : line.p[i]);
    m->known = !raw;
    m->text_len = raw ? line.len : encode(m->text, (struct span){m->bytes, m->len});
    if (raw && line.len)
        memcpy(m->text, line.p, line.len);
}

static enum sasl_seen say(struct sasl *s, const struct message *m, struct span mechanism,
                          bool first)
{
    struct attribute a = {.ns = SPAN_LIT(""), .name = SPAN_LIT("mechanism"), .value = mechanism};
    struct span text = fuzz_copy((struct span){m->text, m->text_len});
    struct element e = {.ns = SPAN_LIT(NS_SASL),
                        .name = first ? SPAN_LIT("auth") : SPAN_LIT("response"),
                        .text = text,
                        .attributes = first ? &a : NULL};
    enum sasl_seen seen = first ? sasl_auth(s, &e, domain) : sasl_response(s, &e, domain);

    fuzz_drop(text);
    return seen;
}

static bool reads_names(const char *mechanism)
{
    return !strcmp(mechanism, "PLAIN") || !strcmp(mechanism, "DIGEST-MD5") ||
           !strncmp(mechanism, "SCRAM-", 6);
}

static void exchange(struct span mechanism, struct span in)
{
    static struct message m;
    struct sasl s;
    enum sasl_seen seen = SASL_UNSEEN;
    bool refused = false, was_seen = false;

    for (int i = 0; i < MESSAGES_MAX && (in.len || !i); i++) {
        char before[sizeof s.account];
        struct span was = {before, 0};

        take_message(&m, fuzz_until(&in, '\n'));
        if (i) {
            was.len = sasl_account(&s).len;
            memcpy(before, s.account, was.len);
        }
        seen = say(&s, &m, mechanism, !i);
        check_account(&s, seen);
        HOLDS(!refused || seen != SASL_ACCOUNT, "seen in message %d, after a refusal", i);
        refused = refused || seen == SASL_FOREIGN || seen == SASL_MALFORMED;
        HOLDS(!was_seen || seen != SASL_ACCOUNT || span_eq(was, sasl_account(&s)),
              "%.*s, then %.*s", (int)was.len, was.p, (int)s.account_len, s.account);
        if (seen == SASL_ACCOUNT && !was_seen && reads_names(s.mechanism) && m.known)
            check_names(&s, (struct span){m.bytes, m.len});
        was_seen = seen == SASL_ACCOUNT;
    }
}

/* XEP-0078. What is read of the query is a prepared account and the resource as it stands. */
static void iq_auth(struct span query)
{
    static const char open[] = "<iq type='set'><query xmlns='jabber:iq:auth'>";
    static const char close[] = "</query></iq>";
    static char bytes[2 * MESSAGE_MAX];
    struct sink k = SINK(bytes);
    struct xml *x = fuzz_parser();
    const struct element *iq;
    struct span resource;
    struct sasl s;

    sink_puts(&k, open);
    sink_put(&k, query);
    sink_puts(&k, close);
    if (!k.full && xml_tree(x, NULL, sink_span(&k), &iq) == XML_FINE &&
        sasl_iq_auth(&s, iq, &resource)) {
        struct span account = sasl_account(&s);
        const struct element *q = element_child(iq, NS_IQ_AUTH, "query");
        const struct element *name = element_child(q, NS_IQ_AUTH, "username");
        char again[JID_PART_MAX];
        struct sink user = SINK(again);

        HOLDS(!account.p == !(name && name->text.len), "%zu bytes", account.len);
        HOLDS(!account.p || (jid_local(&user, name->text) && span_eq(sink_span(&user), account)),
              "%.*s", (int)account.len, account.p);
    }
    xml_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *)data, size}, last = in;
    struct span mechanism = fuzz_copy(fuzz_until(&in, '\n'));

    exchange(mechanism, in);
    for (size_t i = in.len; i > 0; i--)
        if (in.p[i - 1] == '\n') {
            last = (struct span){in.p + i, in.len - i};
            break;
        }
    iq_auth(last);
    fuzz_drop(mechanism);
    return 0;
}
