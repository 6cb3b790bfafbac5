/* SPDX-License-Identifier: MIT */
/*
 * What --check says of certificates and keys, and of memory. Each test writes its own files into a
 * folder of its own, and a configuration that names them in lines 3 and 4.
 */
#include "proxy/check.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { HOUR = 3600 };

struct scene {
    char folder[32];
    char ini[64], certificate[64], key[64];
    EVP_PKEY *pair;
    char said[8000]; /* what check_run wrote */
};

static EVP_PKEY *key_of_its_own(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    assert_non_null(key);
    return key;
}

static X509 *certificate_for(EVP_PKEY *key, const char *names, long from_s, long until_s)
{
    X509 *x = X509_new();
    X509_NAME *subject = X509_get_subject_name(x);
    X509V3_CTX context;

    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (const unsigned char *)"Test", -1, -1,
                               0);
    X509_set_issuer_name(x, subject);
    X509_gmtime_adj(X509_getm_notBefore(x), from_s);
    X509_gmtime_adj(X509_getm_notAfter(x), until_s);
    X509_set_pubkey(x, key);
    X509V3_set_ctx(&context, x, x, NULL, NULL, 0);

    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, names);

    assert_non_null(san);
    X509_add_ext(x, san, -1);
    X509_EXTENSION_free(san);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    return x;
}

static void put_certificate(const char *path, const char *mode, EVP_PKEY *key, const char *names,
                            long from_s, long until_s)
{
    X509 *x = certificate_for(key, names, from_s, until_s);
    FILE *f = fopen(path, mode);

    assert_true(PEM_write_X509(f, x));
    fclose(f);
    X509_free(x);
}

static void write_certificate(const char *path, EVP_PKEY *key, const char *names, long from_s,
                              long until_s)
{
    put_certificate(path, "w", key, names, from_s, until_s);
}

static void write_key(const char *path, EVP_PKEY *key, const char *passphrase)
{
    FILE *f = fopen(path, "w");

    assert_true(PEM_write_PrivateKey(f, key, passphrase ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL,
                                     (void *)passphrase));
    fclose(f);
    chmod(path, 0600);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    fputs(text, f);
    fclose(f);
}

static void write_ini(struct scene *s, const char *domain, const char *more)
{
    FILE *f = fopen(s->ini, "w");

    fprintf(f,
            "[listen c2s]\n[host %s]\ncertificate = %s\nprivate_key = %s\n%s"
            "[stream-management]\non_expiry = bounce\n",
            domain, s->certificate, s->key, more);
    fclose(f);
}

/* A configuration with nothing to complain of. */
static struct scene scene_new(void)
{
    struct scene s = {.folder = "/tmp/holdfast-check-XXXXXX"};

    assert_non_null(mkdtemp(s.folder));
    snprintf(s.ini, sizeof s.ini, "%s/x.ini", s.folder);
    snprintf(s.certificate, sizeof s.certificate, "%s/x.crt", s.folder);
    snprintf(s.key, sizeof s.key, "%s/x.key", s.folder);
    s.pair = key_of_its_own();
    write_certificate(s.certificate, s.pair, "DNS:example.org", -HOUR, HOUR);
    write_key(s.key, s.pair, NULL);
    write_ini(&s, "example.org", "");
    return s;
}

static int check_within(struct scene *s, const struct allowance *allowed)
{
    FILE *f = fmemopen(s->said, sizeof s->said, "w");

    fputc('\n', f);
    int status = check_run(s->ini, allowed, f);

    fclose(f);
    return status;
}

static int check(struct scene *s)
{
    return check_within(s, &(struct allowance){0});
}

/* A line of its own, at that line of the file. */
static bool says(const struct scene *s, unsigned line, const char *words)
{
    char head[256];

    snprintf(head, sizeof head, "\n%s:%u: %s", s->ini, line, words);
    if (strstr(s->said, head))
        return true;
    fprintf(stderr, "said:%s", s->said);
    return false;
}

static size_t lines_said(const struct scene *s)
{
    size_t count = 0;

    for (const char *p = s->said + 1; *p; p++)
        count += *p == '\n';
    return count;
}

static void scene_free(struct scene *s)
{
    unlink(s->ini);
    unlink(s->certificate);
    unlink(s->key);
    rmdir(s->folder);
    EVP_PKEY_free(s->pair);
}

static void a_good_configuration_is_passed_in_silence(void **)
{
    struct scene s = scene_new();

    assert_int_equal(check(&s), 0);
    assert_string_equal(s.said, "\n");
    scene_free(&s);
}

static void missing_files_are_found(void **)
{
    struct scene s = scene_new();

    unlink(s.certificate);
    unlink(s.key);
    assert_int_equal(check(&s), 1);
    assert_true(says(&s, 3, "certificate: "));
    assert_true(says(&s, 4, "private_key: "));
    assert_non_null(strstr(s.said, "x.crt: No such file or directory\n"));
    assert_int_equal(lines_said(&s), 2);
    scene_free(&s);
}

static void files_of_another_kind_are_found(void **)
{
    struct scene s = scene_new();

    write_text(s.certificate, "hello\n");
    write_text(s.key, "");
    assert_int_equal(check(&s), 1);
    assert_true(says(&s, 3, "certificate: "));
    assert_non_null(strstr(s.said, "holds no certificate in PEM form"));
    assert_non_null(strstr(s.said, "holds no private key in PEM form"));
    unlink(s.certificate);
    mkdir(s.certificate, 0700);
    assert_int_equal(check(&s), 1);
    assert_non_null(strstr(s.said, "x.crt: Is a directory"));
    rmdir(s.certificate);
    scene_free(&s);
}

static void a_broken_certificate_in_the_chain_is_found(void **)
{
    struct scene s = scene_new();
    FILE *f = fopen(s.certificate, "a");

    fputs("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", f);
    fclose(f);
    assert_int_equal(check(&s), 1);
    assert_true(says(&s, 3, "certificate: "));
    assert_non_null(strstr(s.said, "cannot be read"));
    assert_int_equal(lines_said(&s), 1);
    scene_free(&s);
}

static void a_chain_is_judged_by_its_first_certificate(void **)
{
    struct scene s = scene_new();

    put_certificate(s.certificate, "a", s.pair, "DNS:ca.example", -2 * HOUR, -HOUR);
    assert_int_equal(check(&s), 0);
    assert_int_equal(lines_said(&s), 0);
    scene_free(&s);
}

static void a_key_must_belong_to_its_certificate(void **)
{
    struct scene s = scene_new();
    EVP_PKEY *other = key_of_its_own();

    write_key(s.key, other, NULL);
    assert_int_equal(check(&s), 1);
    assert_true(says(&s, 4, "private_key: "));
    assert_non_null(strstr(s.said, "does not belong to the certificate"));
    assert_int_equal(lines_said(&s), 1);
    EVP_PKEY_free(other);
    scene_free(&s);
}

static void a_key_has_no_passphrase(void **)
{
    struct scene s = scene_new();

    write_key(s.key, s.pair, "secret");
    assert_int_equal(check(&s), 1);
    assert_true(says(&s, 4, "private_key: "));
    assert_non_null(strstr(s.said, "has a passphrase"));
    assert_int_equal(lines_said(&s), 1);
    scene_free(&s);
}

static void a_certificate_must_be_valid_now(void **)
{
    struct scene s = scene_new();

    write_certificate(s.certificate, s.pair, "DNS:example.org", -2 * HOUR, -HOUR);
    assert_int_equal(check(&s), 1);
    assert_true(says(&s, 3, "certificate: "));
    assert_non_null(strstr(s.said, "x.crt expired at 20"));
    assert_int_equal(lines_said(&s), 1);
    write_certificate(s.certificate, s.pair, "DNS:example.org", HOUR, 2 * HOUR);
    assert_int_equal(check(&s), 1);
    assert_non_null(strstr(s.said, "x.crt is not valid before 20"));
    assert_int_equal(lines_said(&s), 1);
    scene_free(&s);
}

/* A certificate by these names for that domain; true if it is taken as its own. */
static bool named(const char *names, const char *domain)
{
    struct scene s = scene_new();

    write_certificate(s.certificate, s.pair, names, -HOUR, HOUR);
    write_ini(&s, domain, "");
    assert_int_equal(check(&s), 0); /* only a warning, if anything */
    bool fine = !lines_said(&s);

    assert_true(fine || says(&s, 3, "warning: certificate: "));
    assert_true(fine || strstr(s.said, "does not name"));
    scene_free(&s);
    return fine;
}

static void a_certificate_that_does_not_name_the_host_is_warned_of(void **)
{
    assert_true(named("DNS:a.example,DNS:example.org", "example.org"));
    assert_true(named("DNS:*.example.org", "chat.example.org"));
    assert_true(named("DNS:xn--bcher-kva.example", "b\xc3\xbc"
                                                   "cher.example"));
    assert_true(named("otherName:1.3.6.1.5.5.7.8.5;UTF8:example.org", "example.org"));
    assert_true(
        named("otherName:1.3.6.1.5.5.7.8.7;IA5STRING:_xmpp-client.example.org", "example.org"));
    assert_false(named("DNS:*.example.org", "example.org"));
    assert_false(named("DNS:example.net", "example.org"));
    assert_false(
        named("otherName:1.3.6.1.5.5.7.8.7;IA5STRING:_xmpp-server.example.org", "example.org"));
    assert_false(named("otherName:1.2.3.4;UTF8:example.org", "example.org"));
    assert_false(named("otherName:1.3.6.1.5.5.7.8.5;INTEGER:7", "example.org"));
}

static void a_key_that_others_can_read_is_warned_of(void **)
{
    struct scene s = scene_new();

    chmod(s.key, 0640);
    assert_int_equal(check(&s), 0);
    assert_true(says(&s, 4, "warning: private_key: "));
    assert_non_null(strstr(s.said, "by its group"));
    chmod(s.key, 0604);
    assert_int_equal(check(&s), 0);
    assert_non_null(strstr(s.said, "by everybody"));
    chmod(s.key, 0400);
    assert_int_equal(check(&s), 0);
    assert_int_equal(lines_said(&s), 0);
    scene_free(&s);
}

static void links_over_tls_are_noted(void **)
{
    struct scene s = scene_new();

    write_ini(&s, "example.org", "upstream_tls = starttls\n");
    assert_int_equal(check(&s), 0);
    assert_true(says(&s, 5, "warning: upstream_tls: "));
    assert_int_equal(lines_said(&s), 1);
    write_ini(&s, "example.org", "upstream_tls = tls\nupstream_ca = /nonexistent/ca.pem\n");
    assert_int_equal(check(&s), 1);
    assert_true(says(&s, 6, "upstream_ca: /nonexistent/ca.pem: No such file or directory"));
    scene_free(&s);
}

static void memory_that_is_not_there_is_warned_of(void **)
{
    struct allowance allowed = {.bytes = 800 << 20, .whose = "the cgroup /x"};
    struct scene s = scene_new();

    write_ini(&s, "example.org", "[limits]\nmemory = 700M\n");
    assert_int_equal(check_within(&s, &allowed), 0);
    assert_int_equal(lines_said(&s), 0);
    write_ini(&s, "example.org", "[limits]\nmemory = 701M\n");
    assert_int_equal(check_within(&s, &allowed), 0);
    assert_true(says(&s, 6, "warning: memory: 701M "));
    assert_non_null(strstr(s.said, " 800M that the cgroup /x has"));
    assert_int_equal(lines_said(&s), 1);
    write_ini(&s, "example.org", ""); /* the default stands in no line */
    assert_int_equal(check_within(&s, &allowed), 0);
    assert_non_null(strstr(s.said, "x.ini: warning: memory: 2048M "));
    assert_int_equal(lines_said(&s), 1);
    allowed.bytes = 0;
    assert_int_equal(check_within(&s, &allowed), 0);
    assert_int_equal(lines_said(&s), 0);
    scene_free(&s);
}

static void the_configuration_and_the_certificates_are_judged_in_one_run(void **)
{
    struct scene s = scene_new();

    unlink(s.certificate);
    write_ini(&s, "example.org", "colour = red\n[host b.example]\ncertificate =\n[host \xff]\n");
    assert_int_equal(check(&s), 1);
    assert_true(says(&s, 3, "certificate: "));
    assert_true(says(&s, 5, "[host] has no key colour"));
    assert_true(says(&s, 6, "the host has no private_key"));
    assert_true(says(&s, 7, "certificate: must not be empty"));
    assert_true(says(&s, 8, "\"\xff\" is not a domain"));
    assert_true(says(&s, 8, "the host has no certificate"));
    assert_true(says(&s, 8, "the host has no private_key"));
    assert_int_equal(lines_said(&s), 7);
    scene_free(&s);
}

static void a_configuration_that_is_not_there_is_said(void **)
{
    struct scene s = scene_new();

    unlink(s.ini);
    assert_int_equal(check(&s), 1);
    assert_non_null(strstr(s.said, "x.ini: No such file or directory\n"));
    scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_configuration_is_passed_in_silence),
        cmocka_unit_test(missing_files_are_found),
        cmocka_unit_test(files_of_another_kind_are_found),
        cmocka_unit_test(a_broken_certificate_in_the_chain_is_found),
        cmocka_unit_test(a_chain_is_judged_by_its_first_certificate),
        cmocka_unit_test(a_key_must_belong_to_its_certificate),
        cmocka_unit_test(a_key_has_no_passphrase),
        cmocka_unit_test(a_certificate_must_be_valid_now),
        cmocka_unit_test(a_certificate_that_does_not_name_the_host_is_warned_of),
        cmocka_unit_test(a_key_that_others_can_read_is_warned_of),
        cmocka_unit_test(links_over_tls_are_noted),
        cmocka_unit_test(memory_that_is_not_there_is_warned_of),
        cmocka_unit_test(the_configuration_and_the_certificates_are_judged_in_one_run),
        cmocka_unit_test(a_configuration_that_is_not_there_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
