/* SPDX-License-Identifier: MIT */
/*
 * The server's features are those of its stream to Holdfast. What a client can use
 * through Holdfast passes; what Holdfast does itself, or what would go round it, does
 * not.
 */
#include "parser/features.h"

#define NS_FEATURE_IQ_AUTH     "http://jabber.org/features/iq-auth"
#define NS_FEATURE_IQ_REGISTER "http://jabber.org/features/iq-register"
#define NS_CHANNEL_BINDINGS    "urn:xmpp:sasl-cb:" /* XEP-0440 */

/* What no client is shown after SASL; * stands for every version. */
static const char *const withheld[] = {
    NS_TLS,
    NS_SASL,
    NS_FEATURE_IQ_AUTH,
    NS_FEATURE_IQ_REGISTER,
    NS_CHANNEL_BINDINGS "*",
    "http://jabber.org/features/compress",
    "http://jabber.org/protocol/compress",
    "http://www.xmpp.org/extensions/xep-0198.html#ns", /* jabberd2's ancient ack */
    "urn:xmpp:sm:*",
    "urn:xmpp:features:dialback",
    "urn:xmpp:sasl:*",  /* SASL2, XEP-0388, authenticates and binds where nobody looks */
    "urn:xmpp:bind:*",  /* Bind 2, XEP-0386 */
    "urn:xmpp:bind2:*", /* its early versions */
    "urn:xmpp:isr:*",   /* XEP-0397 resumes on its own */
    "https://xmpp.org/extensions/isr/*",
};

static bool matches(struct span ns, const char *pattern)
{
    size_t len = strlen(pattern);

    if (pattern[len - 1] != '*')
        return span_is(ns, pattern);
    return ns.len >= len - 1 && !memcmp(ns.p, pattern, len - 1);
}

static bool is_withheld(const struct element *feature)
{
    for (size_t i = 0; i < sizeof withheld / sizeof *withheld; i++)
        if (matches(feature->ns, withheld[i]))
            return true;
    return false;
}

static bool is_mechanism(const struct element *e)
{
    return element_is(e, NS_SASL, "mechanism");
}

static bool is_plus(struct span mechanism)
{
    return mechanism.len > 5 && !memcmp(mechanism.p + mechanism.len - 5, "-PLUS", 5);
}

/* Channel binding would bind to Holdfast's TLS, and a certificate has been shown to Holdfast. */
bool features_mechanism_works(struct span mechanism)
{
    return !is_plus(mechanism) && !span_is(mechanism, "EXTERNAL");
}

struct features features_read(const struct element *features)
{
    const struct element *starttls = element_child(features, NS_TLS, "starttls");
    const struct element *mechanisms = element_child(features, NS_SASL, "mechanisms");
    struct features f = {
        .starttls = starttls,
        .starttls_required = element_child(starttls, NS_TLS, "required"),
        .mechanisms = element_child(mechanisms, NS_SASL, "mechanism"),
        .bind = element_child(features, NS_BIND, "bind"),
        .iq_auth = element_child(features, NS_FEATURE_IQ_AUTH, "auth"),
        .iq_register = element_child(features, NS_FEATURE_IQ_REGISTER, "register"),
    };

    for (const struct element *e = mechanisms ? mechanisms->child : NULL; e; e = e->next)
        if (is_mechanism(e) && is_plus(e->text))
            f.channel_binding = true;
    return f;
}

void features_write_starttls(struct sink *k)
{
    sink_puts(k, "<stream:features><starttls xmlns='" NS_TLS "'><required/></starttls>"
                 "</stream:features>");
}

/* With what belongs to the mechanisms and is none, such as XEP-0233's host name. A list of no
 * mechanism is left out (RFC 6120, 6.4.1). */
static void write_mechanisms(struct sink *k, const struct element *mechanisms)
{
    bool any = false;

    for (const struct element *e = mechanisms->child; e; e = e->next)
        any = any || (is_mechanism(e) && features_mechanism_works(e->text));
    if (!any)
        return;

    sink_puts(k, "<mechanisms xmlns='" NS_SASL "'>");
    for (const struct element *e = mechanisms->child; e; e = e->next)
        if (is_mechanism(e) ? features_mechanism_works(e->text)
                            : !matches(e->ns, NS_CHANNEL_BINDINGS "*"))
            element_write(k, e, SPAN_LIT(NS_SASL));
    sink_puts(k, "</mechanisms>");
}

void features_write_before_sasl(struct sink *k, const struct element *features)
{
    sink_puts(k, "<stream:features>");
    for (const struct element *e = features->child; e; e = e->next) {
        if (element_is(e, NS_SASL, "mechanisms"))
            write_mechanisms(k, e);
        else if (element_is(e, NS_FEATURE_IQ_AUTH, "auth") ||
                 element_is(e, NS_FEATURE_IQ_REGISTER, "register"))
            element_write(k, e, SPAN_LIT(NS_CLIENT));
    }
    sink_puts(k, "</stream:features>");
}

void features_write_after_sasl(struct sink *k, const struct element *features)
{
    sink_puts(k, "<stream:features>");
    for (const struct element *e = features->child; e; e = e->next)
        if (!is_withheld(e))
            element_write(k, e, SPAN_LIT(NS_CLIENT));
    sink_puts(k, "<sm xmlns='" NS_SM3 "'/><sm xmlns='" NS_SM2 "'/></stream:features>");
}
