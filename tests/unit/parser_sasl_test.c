/* SPDX-License-Identifier: MIT */
/* The account is seen in a SASL exchange exactly if every server must see the same one in it. */
#include "parser/sasl.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "parser/jid.h"
#include "tests/support/guard.h"

static const struct span domain = {"example.org", 11};

static struct span base64(struct span in)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static char out[2 * SASL_BYTES_MAX];
    const unsigned char *b = (const unsigned char *)in.p;
    size_t len = 0;

    for (size_t i = 0; i < in.len; i += 3) {
        size_t left = in.len - i;
        uint32_t bits = b[i] << 16 | (left > 1 ? b[i + 1] << 8 : 0) | (left > 2 ? b[i + 2] : 0);

        for (size_t j = 0; j < 4; j++)
            out[len++] = j <= left ? digits[bits >> (18 - 6 * j) & 63] : '=';
    }
    return (struct span){out, len};
}

static enum sasl_seen auth_text(struct sasl *s, const char *mechanism, struct span text)
{
    struct attribute a = {.name = SPAN_LIT("mechanism"), .value = guard_copy(span_of(mechanism))};
    struct element e = {.name = SPAN_LIT("auth"), .attributes = &a, .text = text};

    return sasl_auth(s, &e, domain);
}

static enum sasl_seen response_text(struct sasl *s, struct span text)
{
    struct element e = {.ns = SPAN_LIT(NS_SASL), .name = SPAN_LIT("response"), .text = text};

    return sasl_response(s, &e, domain);
}

static enum sasl_seen auth(struct sasl *s, const char *mechanism, struct span message)
{
    return auth_text(s, mechanism, guard_copy(base64(message)));
}

static enum sasl_seen response(struct sasl *s, struct span message)
{
    return response_text(s, guard_copy(base64(message)));
}

static bool is_alice(const struct sasl *s)
{
    return span_is(sasl_account(s), "alice");
}

/* True if a mechanism's first message gives that verdict; if it is an account, then alice. */
static bool gives(const char *mechanism, struct span message, enum sasl_seen verdict)
{
    struct sasl s;

    if (auth(&s, mechanism, message) != verdict)
        return false;
    return verdict == SASL_ACCOUNT ? is_alice(&s) : !sasl_account(&s).p;
}

#define GIVES(mechanism, message, verdict) assert_true(gives(mechanism, SPAN_LIT(message), verdict))

static void plain_shows_the_account(void **)
{
    GIVES("PLAIN", "\0alice\0secret", SASL_ACCOUNT);
    GIVES("PLAIN", "\0ALICE\0secret", SASL_ACCOUNT);
    GIVES("PLAIN", "\0alice@example.org\0secret", SASL_ACCOUNT);
    GIVES("PLAIN", "\0alice@EXAMPLE.org.\0secret", SASL_ACCOUNT);
    GIVES("PLAIN", "\0alice\0", SASL_ACCOUNT);
    GIVES("PLAIN", "\0alice@example.com\0secret", SASL_UNSEEN);
    GIVES("PLAIN", "\0alice@example.org/x\0secret", SASL_UNSEEN);
    GIVES("PLAIN", "\0al ice\0secret", SASL_UNSEEN);
    GIVES("PLAIN",
          "\0al\xFF"
          "ice\0secret",
          SASL_UNSEEN);
}

static void plain_has_two_zeros(void **)
{
    GIVES("PLAIN", "alice", SASL_MALFORMED);
    GIVES("PLAIN", "\0alice", SASL_MALFORMED);
    GIVES("PLAIN", "\0", SASL_MALFORMED);
    GIVES("PLAIN", "\0\0", SASL_MALFORMED);
    GIVES("PLAIN", "\0\0secret", SASL_MALFORMED);
    GIVES("PLAIN", "\0alice\0sec\0ret", SASL_MALFORMED);
    GIVES("PLAIN", "\0alice\0secret\0", SASL_MALFORMED);
}

static void an_authzid_may_name_the_same_account_only(void **)
{
    GIVES("PLAIN", "alice@example.org\0alice\0secret", SASL_ACCOUNT);
    GIVES("PLAIN", "Alice@Example.org\0alice\0secret", SASL_ACCOUNT);
    GIVES("PLAIN", "alice\0alice\0secret", SASL_ACCOUNT);
    GIVES("PLAIN", "alice@example.org\0alice@example.org\0secret", SASL_ACCOUNT);
    GIVES("PLAIN", "alice@example.org\0bob\0secret", SASL_FOREIGN);
    GIVES("PLAIN", "alice\0bob\0secret", SASL_FOREIGN);
    GIVES("PLAIN", "alice@example.com\0alice\0secret", SASL_FOREIGN);
    GIVES("PLAIN", "alice@example.org/x\0alice\0secret", SASL_FOREIGN);
    GIVES("PLAIN", "example.org\0alice\0secret", SASL_FOREIGN);
    GIVES("PLAIN", "@\0alice\0secret", SASL_FOREIGN);
    GIVES("PLAIN", "alice@example.com\0alice@example.com\0secret", SASL_FOREIGN);
    GIVES("SCRAM-SHA-1", "n,a=bob,n=alice,r=x", SASL_FOREIGN);
    GIVES("SCRAM-SHA-1", "n,a=alice@example.org,n=alice,r=x", SASL_ACCOUNT);
    GIVES("DIGEST-MD5", "username=\"alice\",authzid=\"bob\"", SASL_FOREIGN);
    GIVES("PLAIN", "alice\0a b\0secret", SASL_FOREIGN);
    GIVES("DIGEST-MD5", "username=\"alice\",authzid=\"alice@example.org\"", SASL_ACCOUNT);
    GIVES("DIGEST-MD5", "username=\"alice\",authzid=\"\"", SASL_ACCOUNT);
}

static void scram_shows_the_account(void **)
{
    GIVES("SCRAM-SHA-1", "n,,n=alice,r=fyko+d2lbbFgONRv9qkxdawL", SASL_ACCOUNT);
    GIVES("SCRAM-SHA-256", "y,,n=alice,r=!~", SASL_ACCOUNT);
    GIVES("SCRAM-SHA-512", "y,,n=Alice,r=x,x=extension", SASL_ACCOUNT);
    GIVES("SCRAM-SHA-1-PLUS", "p=tls-exporter,,n=alice,r=x", SASL_ACCOUNT);
    GIVES("SCRAM-SHA-1", "n,,n=alice@example.org,r=x", SASL_ACCOUNT);
    GIVES("SCRAM-SHA-1", "n,,n=al=2Cice@example.com,r=x", SASL_UNSEEN);
}

static void scram_names_are_decoded(void **)
{
    struct sasl s;

    assert_int_equal(auth(&s, "SCRAM-SHA-1", SPAN_LIT("n,a=a=3Db=2Cc,n=a=3Db=2Cc,r=x")),
                     SASL_ACCOUNT);
    assert_true(span_is(sasl_account(&s), "a=b,c"));
    assert_int_equal(auth(&s, "SCRAM-SHA-1", SPAN_LIT("n,,n==3D3D,r=x")), SASL_ACCOUNT);
    assert_true(span_is(sasl_account(&s), "=3d"));
}

static void wrong_scram_is_malformed(void **)
{
    static const char *const wrong[] = {"n",
                                        "n,",
                                        "n,,",
                                        "n,,n=alice",
                                        "n,,n=alice,",
                                        "n,,n=alice,r=",
                                        "n,,n=,r=x",
                                        "n,,alice,r=x",
                                        ",,n=alice,r=x",
                                        "p,,n=alice,r=x",
                                        "p=,,n=alice,r=x",
                                        "x,,n=alice,r=x",
                                        "F,n,,n=alice,r=x",
                                        "n,alice,n=alice,r=x",
                                        "n,a=,n=alice,r=x",
                                        "n=alice,r=x",
                                        "n,,r=x,n=alice",
                                        "n,,n=al=ice,r=x",
                                        "n,,n=alice=,r=x",
                                        "n,,n=alice=2,r=x",
                                        "n,,n=al=2cice,r=x",
                                        "n,,n=al=00ice,r=x",
                                        "n,,m=x,n=alice,r=x",
                                        "n,,n=alice,r=a b",
                                        "n,,n=alice,s=x",
                                        "c=biws,r=x,p=x"};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (!gives("SCRAM-SHA-1", span_of(wrong[i]), SASL_MALFORMED))
            fail_msg("%s", wrong[i]);
    GIVES("SCRAM-SHA-1", "n,,n=al\0ice,r=x", SASL_MALFORMED);
    GIVES("SCRAM-SHA-1", "n,a=\0,n=alice,r=x", SASL_MALFORMED);
    GIVES("SCRAM-SHA-1", "n,,n=alice,r=x\0", SASL_MALFORMED);
}

static void the_rest_of_a_scram_exchange_names_nobody(void **)
{
    struct sasl s;

    assert_int_equal(auth(&s, "SCRAM-SHA-1", SPAN_LIT("n,,n=alice,r=x")), SASL_ACCOUNT);
    assert_int_equal(response(&s, SPAN_LIT("c=biws,r=xy,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")),
                     SASL_ACCOUNT);
    assert_int_equal(response_text(&s, SPAN_NONE), SASL_ACCOUNT);
    assert_true(is_alice(&s));
    assert_int_equal(s.step, 2);
    assert_int_equal(response(&s, SPAN_LIT("c=")), SASL_ACCOUNT);
}

static void an_exchange_never_changes_its_account(void **)
{
    struct sasl s;

    assert_int_equal(auth(&s, "SCRAM-SHA-1", SPAN_LIT("n,,n=alice,r=x")), SASL_ACCOUNT);
    assert_int_equal(response(&s, SPAN_LIT("n,,n=bob,r=x")), SASL_MALFORMED);
    assert_null(sasl_account(&s).p);
    assert_int_equal(auth(&s, "PLAIN", SPAN_LIT("\0alice\0x")), SASL_ACCOUNT);
    assert_int_equal(response(&s, SPAN_LIT("\0alice\0y")), SASL_ACCOUNT);
    assert_int_equal(response(&s, SPAN_LIT("\0bob\0y")), SASL_MALFORMED);
    assert_int_equal(auth(&s, "DIGEST-MD5", SPAN_LIT("username=\"alice\"")), SASL_ACCOUNT);
    assert_int_equal(response(&s, SPAN_LIT("username=\"bob\"")), SASL_MALFORMED);
    assert_int_equal(auth(&s, "PLAIN", SPAN_LIT("\0a b\0x")), SASL_UNSEEN);
    assert_int_equal(response(&s, SPAN_LIT("\0alice\0x")), SASL_MALFORMED);
    assert_null(sasl_account(&s).p);
    assert_int_equal(auth_text(&s, "PLAIN", SPAN_LIT("!")), SASL_MALFORMED); /* a message, too */
    assert_int_equal(response(&s, SPAN_LIT("\0alice\0x")), SASL_MALFORMED);
    assert_null(sasl_account(&s).p);
}

static void another_auth_begins_anew(void **)
{
    struct sasl s;

    assert_int_equal(auth(&s, "PLAIN", SPAN_LIT("\0bob\0x")), SASL_ACCOUNT);
    assert_int_equal(auth_text(&s, "SCRAM-SHA-1", SPAN_NONE), SASL_UNSEEN);
    assert_null(sasl_account(&s).p);
    assert_int_equal(response(&s, SPAN_LIT("n,,n=alice,r=x")), SASL_ACCOUNT);
    assert_true(is_alice(&s));
    assert_string_equal(s.mechanism, "SCRAM-SHA-1");
}

static void the_first_message_may_come_in_a_response(void **)
{
    static const char *const empty[] = {"", "="};
    struct sasl s;

    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(auth_text(&s, "PLAIN", span_of(empty[i])), SASL_UNSEEN);
        assert_int_equal(response(&s, SPAN_LIT("\0alice\0x")), SASL_ACCOUNT);
        assert_true(is_alice(&s));
        assert_int_equal(auth_text(&s, "DIGEST-MD5", span_of(empty[i])), SASL_UNSEEN);
        assert_int_equal(response(&s, SPAN_LIT("username=\"alice\"")), SASL_ACCOUNT);
        assert_int_equal(response_text(&s, span_of(empty[i])), SASL_ACCOUNT);
        assert_true(is_alice(&s));
    }
}

static void digest_shows_the_account(void **)
{
    GIVES("DIGEST-MD5",
          "charset=utf-8,username=\"alice\",realm=\"example.org\",nonce=\"OA6MG9tEQGm2hh==\",nc="
          "00000001,"
          "cnonce=\"OA6MHXh6VqTrRk\",digest-uri=\"xmpp/example.org\","
          "response=d388dad90d4bbd760a152321f2143af7,qop=auth",
          SASL_ACCOUNT);
    GIVES("DIGEST-MD5", " username = \"alice\" , ,\r\n\tqop=auth,", SASL_ACCOUNT);
    GIVES("DIGEST-MD5", "USERNAME=\"alice\"", SASL_ACCOUNT);
    GIVES("DIGEST-MD5", "username=\"alice\" \t", SASL_ACCOUNT);
    GIVES("DIGEST-MD5", "username=alice,x=~!", SASL_ACCOUNT);
    GIVES("DIGEST-MD5", "username=alice,realm=\"\"", SASL_ACCOUNT);
    GIVES("DIGEST-MD5", "username=\"alice\",realm=\"EXAMPLE.org\"", SASL_ACCOUNT);
    GIVES("DIGEST-MD5", "username=\"alice\",realm=\"example.com\"", SASL_UNSEEN);
    GIVES("DIGEST-MD5", "username=\"alice\",realm=\"a b\"", SASL_UNSEEN);
    GIVES("DIGEST-MD5", "username=\"alice\",realm=\"x\",authzid=\"alice\"", SASL_UNSEEN);
    GIVES("DIGEST-MD5", "username=\"alice\",realm=\"x\",authzid=\"bob\"", SASL_FOREIGN);
}

static void a_digest_that_servers_read_differently_shows_nobody(void **)
{
    GIVES("DIGEST-MD5", "username=\"al\\ice\"", SASL_UNSEEN);
    GIVES("DIGEST-MD5", "username=\"alice,x\"", SASL_UNSEEN);
    GIVES("DIGEST-MD5", "username=\"alice\",cnonce=\"x,username=bob\"", SASL_UNSEEN);
    GIVES("DIGEST-MD5", "username=\"alice\",cnonce=\"x\\\",username=\\\"bob\"", SASL_UNSEEN);
    GIVES("DIGEST-MD5", "username=\"alice\",cnonce=\"\\\\\"", SASL_UNSEEN);
    GIVES("DIGEST-MD5", "username=\"alice\",authzid=\"alice\",cnonce=\"a,b\"", SASL_FOREIGN);
}

static void a_digest_without_charset_is_not_utf8(void **)
{
    struct sasl s;

    GIVES("DIGEST-MD5", "username=\"\xC3\xA4\"", SASL_UNSEEN);
    GIVES("DIGEST-MD5", "username=\"\xC3\xA4\",charset=latin1", SASL_UNSEEN);
    GIVES("DIGEST-MD5", "username=\"\xE4\",charset=utf-8", SASL_UNSEEN);
    assert_int_equal(auth(&s, "DIGEST-MD5", SPAN_LIT("username=\"\xC3\x84\",charset=UTF-8")),
                     SASL_ACCOUNT);
    assert_true(span_is(sasl_account(&s), "\xC3\xA4"));
}

static void a_wrong_digest_is_malformed(void **)
{
    static const char *const wrong[] = {"realm=\"example.org\"",
                                        "username",
                                        "username=",
                                        "username=\"",
                                        "username=\"alice",
                                        "username=\"alice\\",
                                        "username=\"alice\\\"",
                                        "username=\"\"",
                                        "=\"alice\"",
                                        "username=\"alice\"x",
                                        "username=\"alice\";realm=x",
                                        "username=\"alice\" realm=x",
                                        " ",
                                        ",",
                                        "username=\"alice\",username=\"alice\"",
                                        "username=\"alice\",Username=\"alice\"",
                                        "username=\"alice\",authzid=\"\",authzid=\"alice\"",
                                        "username=al ice",
                                        "username:alice",
                                        "username\"alice\"",
                                        "username=\"alice\",x=\x7F",
                                        "username=\"alice\",realm=\"\",realm=\"example.org\"",
                                        "user name=\"alice\""};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (!gives("DIGEST-MD5", span_of(wrong[i]), SASL_MALFORMED))
            fail_msg("%s", wrong[i]);
    GIVES("DIGEST-MD5", "username\0=\"alice\"", SASL_MALFORMED);
    GIVES("DIGEST-MD5", "username=\"alice\"\0", SASL_MALFORMED);
    GIVES("DIGEST-MD5", "username=\"alice\0\"", SASL_UNSEEN);
}

static void other_mechanisms_show_nobody(void **)
{
    GIVES("ANONYMOUS", "alice", SASL_UNSEEN);
    GIVES("EXTERNAL", "alice@example.org", SASL_UNSEEN);
    GIVES("GSSAPI", "\0alice\0x", SASL_UNSEEN);
    GIVES("X-OAUTH2", "\0alice\0x", SASL_UNSEEN);
    GIVES("OAUTHBEARER", "n,a=alice@example.org,\1auth=Bearer x\1\1", SASL_UNSEEN);
    GIVES("PLAINER", "\0alice\0x", SASL_UNSEEN);
    GIVES("XSCRAM-SHA-1", "n,,n=alice,r=x", SASL_UNSEEN);
}

static void a_mechanism_has_a_name(void **)
{
    static const char *const wrong[] = {
        "", "plain", "PLAIN ", "PL AIN", "A12345678901234567890", "PLAIN.", "PL\xC3\x84IN"};
    struct element nameless = {.name = SPAN_LIT("auth")};
    struct sasl s;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(auth(&s, wrong[i], SPAN_LIT("\0alice\0x")), SASL_MALFORMED);
        assert_int_equal(response(&s, SPAN_LIT("\0alice\0x")), SASL_MALFORMED);
        assert_null(sasl_account(&s).p);
    }
    assert_int_equal(sasl_auth(&s, &nameless, domain), SASL_MALFORMED);
    assert_int_equal(auth(&s, "A_23456789012345Z-90", SPAN_LIT("x")), SASL_UNSEEN);
    assert_string_equal(s.mechanism, "A_23456789012345Z-90");
}

static void base64_is_strict(void **)
{
    static const char *const wrong[] = {
        "A",        "AA",       "AAA",  "AAAAA", "AA=",  "A===",  "====",    "==",        "===",
        "AAA=AAAA", "AA==AAAA", "=AAA", "A=AA",  "AA=A", "AAAA ", " AAAA",   "AA AA",     "AAAA\n",
        "AA\nAA",   "AAA\n",    "AB==", "AAB=",  "AA*A", "AA-_",  "AAA\xFF", "\xC3\xA4++"};
    struct sasl s;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (auth_text(&s, "X", guard_copy(span_of(wrong[i]))) != SASL_MALFORMED)
            fail_msg("%s", wrong[i]);
    assert_int_equal(auth_text(&s, "X", SPAN_LIT("AA\0A")), SASL_MALFORMED);
    assert_int_equal(auth_text(&s, "X", SPAN_LIT("AA==")), SASL_UNSEEN);
    assert_int_equal(auth_text(&s, "X", SPAN_LIT("+/+/AAE=")), SASL_UNSEEN);
    assert_int_equal(auth_text(&s, "PLAIN", SPAN_LIT("AGFsaWNlAHNlY3JldA==")), SASL_ACCOUNT);
    assert_true(is_alice(&s));
    assert_int_equal(auth_text(&s, "PLAIN", SPAN_LIT("AGFsaWNlAD8/Pj4=")), SASL_ACCOUNT);
    assert_true(is_alice(&s));
}

static void a_payload_has_a_bound(void **)
{
    static char message[SASL_BYTES_MAX + 1] = "\0alice";
    struct sasl s;

    memset(message + 7, 'x', sizeof message - 7);
    assert_int_equal(auth(&s, "PLAIN", (struct span){message, SASL_BYTES_MAX}), SASL_ACCOUNT);
    assert_int_equal(auth(&s, "PLAIN", (struct span){message, SASL_BYTES_MAX + 1}), SASL_MALFORMED);
    assert_int_equal(auth(&s, "X", (struct span){message, SASL_BYTES_MAX + 1}), SASL_MALFORMED);
}

static void the_longest_names_do_no_harm(void **)
{
    static char message[SASL_BYTES_MAX];
    struct sasl s;

    memset(message, 'a', sizeof message);
    message[0] = message[JID_PART_MAX + 1] = '\0';
    assert_int_equal(auth(&s, "PLAIN", (struct span){message, 2000}), SASL_ACCOUNT);
    assert_int_equal(s.account_len, JID_PART_MAX);

    message[JID_PART_MAX + 1] = 'a';
    message[JID_PART_MAX + 2] = '\0';
    assert_int_equal(auth(&s, "PLAIN", (struct span){message, 2000}), SASL_UNSEEN);

    memset(message, 'a', sizeof message);
    memcpy(message, "n,a=", 4);
    memcpy(message + 8000, ",n=", 3);
    memcpy(message + sizeof message - 4, ",r=x", 4);
    assert_int_equal(auth(&s, "SCRAM-SHA-1", (struct span){message, sizeof message}), SASL_FOREIGN);

    memset(message, ',', sizeof message);
    assert_int_equal(auth(&s, "DIGEST-MD5", (struct span){message, sizeof message}),
                     SASL_MALFORMED);
}

static void very_many_messages_do_no_harm(void **)
{
    struct sasl s;

    assert_int_equal(auth(&s, "SCRAM-SHA-1", SPAN_LIT("n,,n=alice,r=x")), SASL_ACCOUNT);
    for (int i = 0; i < 600; i++)
        assert_int_equal(response(&s, SPAN_LIT("c=biws")), SASL_ACCOUNT);
    assert_int_equal(response(&s, SPAN_LIT("n,,n=bob,r=x")), SASL_MALFORMED);
}

/* --- XEP-0078 --- */

static struct element iq_auth(const struct element *query)
{
    return (struct element){.ns = SPAN_LIT(NS_CLIENT), .name = SPAN_LIT("iq"), .child = query};
}

static struct element field(const char *name, const char *text, const struct element *next)
{
    return (struct element){
        .ns = SPAN_LIT(NS_IQ_AUTH), .name = span_of(name), .text = span_of(text), .next = next};
}

static void iq_auth_shows_account_and_resource(void **)
{
    struct element resource = field("resource", "Home", NULL);
    struct element digest = field("digest", "x", &resource),
                   username = field("username", "Alice", &digest);
    struct element query = field("query", NULL, NULL), iq = iq_auth(&query);
    struct span res;
    struct sasl s;

    query.child = &username;
    assert_true(sasl_iq_auth(&s, &iq, &res));
    assert_true(is_alice(&s));
    assert_true(span_is(res, "Home"));

    username.next = NULL;
    assert_true(sasl_iq_auth(&s, &iq, &res));
    assert_true(is_alice(&s));
    assert_null(res.p);

    query.child = NULL;
    assert_true(sasl_iq_auth(&s, &iq, &res));
    assert_null(sasl_account(&s).p);
}

static void a_wrong_iq_auth_is_malformed(void **)
{
    struct element second = field("username", "bob", NULL),
                   username = field("username", "alice", &second);
    struct element query = field("query", NULL, NULL), iq = iq_auth(&query), empty = iq_auth(NULL);
    struct span res;
    struct sasl s;

    query.child = &username;
    assert_false(sasl_iq_auth(&s, &iq, &res));
    assert_null(sasl_account(&s).p);

    second = field("resource", NULL, NULL);
    struct element third = field("resource", NULL, &second);
    username.next = &third;
    assert_false(sasl_iq_auth(&s, &iq, &res));
    assert_null(sasl_account(&s).p);

    username = field("username", "alice@example.org", NULL);
    assert_false(sasl_iq_auth(&s, &iq, &res));
    assert_null(sasl_account(&s).p);
    assert_false(sasl_iq_auth(&s, &empty, &res));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_shows_the_account),
        cmocka_unit_test(plain_has_two_zeros),
        cmocka_unit_test(an_authzid_may_name_the_same_account_only),
        cmocka_unit_test(scram_shows_the_account),
        cmocka_unit_test(scram_names_are_decoded),
        cmocka_unit_test(wrong_scram_is_malformed),
        cmocka_unit_test(the_rest_of_a_scram_exchange_names_nobody),
        cmocka_unit_test(an_exchange_never_changes_its_account),
        cmocka_unit_test(another_auth_begins_anew),
        cmocka_unit_test(the_first_message_may_come_in_a_response),
        cmocka_unit_test(digest_shows_the_account),
        cmocka_unit_test(a_digest_that_servers_read_differently_shows_nobody),
        cmocka_unit_test(a_digest_without_charset_is_not_utf8),
        cmocka_unit_test(a_wrong_digest_is_malformed),
        cmocka_unit_test(other_mechanisms_show_nobody),
        cmocka_unit_test(a_mechanism_has_a_name),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(a_payload_has_a_bound),
        cmocka_unit_test(the_longest_names_do_no_harm),
        cmocka_unit_test(very_many_messages_do_no_harm),
        cmocka_unit_test(iq_auth_shows_account_and_resource),
        cmocka_unit_test(a_wrong_iq_auth_is_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
