/* SPDX-License-Identifier: MIT */
/*
 * Ticket keys: one set for all hosts, which outlives a reload, and the process for a day. What
 * a process finds in a core is what the one before it left there.
 */
#include "proxy/tls_keys.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/core_rig.h"

enum { HOSTS = 2, KEYS_MAX = 128, DAY_MS = 24 * 3600 * 1000 };

static char folder[] = "/tmp/holdfast-tls-keys-XXXXXX";
static char certificate[64], private_key[64];
static struct conf_host hosts[HOSTS];
static const struct conf conf = {.hosts = hosts, .host_count = HOSTS};

static int setup(void **)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    FILE *file;

    assert_non_null(mkdtemp(folder));
    snprintf(certificate, sizeof certificate, "%s/x.crt", folder);
    snprintf(private_key, sizeof private_key, "%s/x.key", folder);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, pair);
    assert_true(X509_sign(x, pair, EVP_sha256()) > 0);
    assert_non_null(file = fopen(certificate, "w"));
    assert_true(PEM_write_X509(file, x));
    fclose(file);
    assert_non_null(file = fopen(private_key, "w"));
    assert_true(PEM_write_PrivateKey(file, pair, NULL, NULL, 0, NULL, NULL));
    fclose(file);
    X509_free(x);
    EVP_PKEY_free(pair);
    for (int i = 0; i < HOSTS; i++)
        hosts[i] = (struct conf_host){.certificate = certificate, .private_key = private_key};
    return 0;
}

static int teardown(void **)
{
    unlink(certificate);
    unlink(private_key);
    return rmdir(folder);
}

/* Of a process; NULL: it begins, otherwise it reads its certificates anew. */
static struct tls_keys *keys_after(const struct tls_keys *before)
{
    struct tls_keys *keys;

    assert_int_equal(tls_keys_new(&keys, &conf, before), 0);
    return keys;
}

static struct tls_keys *keys_of_a_start(struct sm_core *core, uint64_t now_ms)
{
    struct tls_keys *keys = keys_after(NULL);

    tls_keys_keep(keys, core, now_ms);
    return keys;
}

static bool agree(const struct tls_keys *a, size_t host, const struct tls_keys *b, size_t other)
{
    unsigned char one[KEYS_MAX] = {0}, two[KEYS_MAX] = {0};
    long len = SSL_CTX_get_tlsext_ticket_keys(tls_keys_server(a, host), NULL, 0);

    assert_in_range(len, 48, KEYS_MAX);
    assert_int_equal(SSL_CTX_get_tlsext_ticket_keys(tls_keys_server(a, host), one, len), 1);
    assert_int_equal(SSL_CTX_get_tlsext_ticket_keys(tls_keys_server(b, other), two, len), 1);
    return !memcmp(one, two, sizeof one);
}

static void all_hosts_have_the_same_keys_also_after_a_reload(void **)
{
    struct tls_keys *keys = keys_after(NULL), *again = keys_after(keys), *other = keys_after(NULL);

    assert_true(agree(keys, 0, keys, 1));
    assert_true(agree(keys, 0, again, 0));
    assert_true(agree(keys, 0, again, 1));
    assert_false(agree(keys, 0, other, 0));
    tls_keys_release(keys);
    tls_keys_release(again);
    tls_keys_release(other);
}

static void the_next_process_goes_on_with_the_keys(void **)
{
    struct sm_core *core = new_core();
    struct tls_keys *first = keys_of_a_start(core, 1000), *second = keys_of_a_start(core, 2000),
                    *third = keys_of_a_start(core, 1000 + DAY_MS - 1);

    assert_true(agree(first, 0, second, 0));
    assert_true(agree(first, 0, second, 1));
    assert_true(agree(first, 0, third, 0));
    tls_keys_release(first);
    tls_keys_release(second);
    tls_keys_release(third);
    free_core(core);
}

static void keys_that_are_a_day_old_are_not_used_again(void **)
{
    struct sm_core *core = new_core();
    struct tls_keys *first = keys_of_a_start(core, 1000),
                    *second = keys_of_a_start(core, 1000 + DAY_MS),
                    *third = keys_of_a_start(core, 1001 + DAY_MS);

    assert_false(agree(first, 0, second, 0));
    assert_true(agree(second, 0, second, 1));
    assert_true(agree(second, 0, third, 0));
    tls_keys_release(first);
    tls_keys_release(second);
    tls_keys_release(third);
    free_core(core);
}

static void what_is_kept_and_is_no_set_of_keys_is_replaced(void **)
{
    struct sm_core *core = new_core();

    sm_core_keep(core, "something else", 14);

    struct tls_keys *first = keys_of_a_start(core, 1000), *second = keys_of_a_start(core, 1000);

    assert_true(agree(first, 0, second, 0));
    tls_keys_release(first);
    tls_keys_release(second);
    free_core(core);
}

/* Its web server has the certificate. */
static void a_host_without_a_certificate_is_no_fault(void **)
{
    struct conf_host bare = {.certificate = (char *)"", .private_key = (char *)""};
    struct conf_host half = {.certificate = certificate, .private_key = (char *)""};
    struct conf one = {.hosts = &bare, .host_count = 1};
    struct tls_keys *keys;

    assert_int_equal(tls_keys_new(&keys, &one, NULL), 0);
    tls_keys_release(keys);
    one.hosts = &half;
    assert_int_equal(tls_keys_new(&keys, &one, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_without_a_certificate_is_no_fault),
        cmocka_unit_test(all_hosts_have_the_same_keys_also_after_a_reload),
        cmocka_unit_test(the_next_process_goes_on_with_the_keys),
        cmocka_unit_test(keys_that_are_a_day_old_are_not_used_again),
        cmocka_unit_test(what_is_kept_and_is_no_set_of_keys_is_replaced),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
