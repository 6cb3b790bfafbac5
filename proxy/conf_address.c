/* SPDX-License-Identifier: MIT */
/*
 * Addresses, networks and servers, which all come in lists separated by blanks. A list
 * that is read only in part is emptied again, so a field holds a whole list or none.
 */
#include "proxy/conf_value.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/conf.h"

#define BLANKS " \t"

/* Digits only, as written by people: within least and most. */
static bool digits(const char *text, unsigned least, unsigned most, unsigned *out)
{
    unsigned long n;

    if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 6)
        return false;
    n = strtoul(text, NULL, 10);
    *out = (unsigned)n;
    return n >= least && n <= most;
}

/* An IP address as text, IPv6 with its %interface where it needs one. */
static bool address_of(const char *host, uint16_t port, struct conf_address *out)
{
    struct addrinfo hints = {
        .ai_family = AF_INET6, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6;
    struct addrinfo *found;

    memset(out, 0, sizeof *out); /* its padding too: addresses are compared as bytes */
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(&out->addr, &v4, sizeof v4);
        out->len = sizeof v4;
        return true;
    }
    if (!strchr(host, ':') || getaddrinfo(host, NULL, &hints, &found))
        return false;
    memcpy(&v6, found->ai_addr, sizeof v6);
    freeaddrinfo(found);
    v6.sin6_port = htons(port);
    memcpy(&out->addr, &v6, sizeof v6);
    out->len = sizeof v6;
    return true;
}

/* HOST:PORT or [IPv6]:PORT, split inside `word`. */
static bool split_port(char *word, char **host, uint16_t *port)
{
    char *colon = strrchr(word, ':');
    unsigned n;

    if (!colon || colon == word || !digits(colon + 1, 1, UINT16_MAX, &n))
        return false;
    *port = (uint16_t)n;
    *colon = '\0';
    *host = word;
    if (*word == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        *host = word + 1;
        return strchr(*host, ':') != NULL;
    }
    return !strchr(word, ':');
}

/* One element of a list: the word may be altered. False with `why` if it is none. */
struct list {
    size_t size; /* of an element */
    bool (*read)(char *word, void *element, char why[CONF_WHY_MAX]);
};

/* All lists have the shape of struct conf_addresses: a pointer and a count. */
struct any_list {
    void *at;
    size_t count;
};

static_assert(sizeof(struct any_list) == sizeof(struct conf_addresses) &&
              sizeof(struct any_list) == sizeof(struct conf_networks) &&
              sizeof(struct any_list) == sizeof(struct conf_targets));

static void clear_list(void *place)
{
    struct any_list list;

    memcpy(&list, place, sizeof list);
    free(list.at);
    memset(place, 0, sizeof list);
}

static void clear_targets(void *place)
{
    struct conf_targets *targets = place;

    for (size_t i = 0; i < targets->count; i++)
        free(targets->at[i].host);
    clear_list(place);
}

/* Reads words from `text`, which it cuts up, into *out; *out.count says how far it came. */
static bool read_elements(char *text, const struct conf_bounds *bounds, const struct list *kind,
                          struct any_list *out, char why[CONF_WHY_MAX])
{
    char *rest = NULL;

    for (char *word = strtok_r(text, BLANKS, &rest); word; word = strtok_r(NULL, BLANKS, &rest)) {
        if (out->count >= bounds->most)
            return conf_refuse(why, "takes at most %" PRIu64, bounds->most);
        if (!kind->read(word, (char *)out->at + out->count * kind->size, why))
            return false;
        out->count++;
    }
    return out->count >= bounds->least || conf_refuse(why, "must not be empty");
}

static bool read_list(const char *text, const struct conf_bounds *bounds, void *place,
                      const struct list *kind, void (*clear)(void *), char why[CONF_WHY_MAX])
{
    char *copy = strdup(text);
    struct any_list list = {.at = calloc(bounds->most, kind->size)};
    bool ok = copy && list.at ? read_elements(copy, bounds, kind, &list, why)
                              : conf_refuse(why, "out of memory");

    clear(place);
    memcpy(place, &list, sizeof list);
    if (!ok || !list.count)
        clear(place);
    free(copy);
    return ok;
}

static bool endpoint_element(char *word, void *element, char why[CONF_WHY_MAX])
{
    char whole[80];
    char *host;
    uint16_t port;

    snprintf(whole, sizeof whole, "%s", word);
    if (split_port(word, &host, &port) && address_of(host, port, element))
        return true;
    return conf_refuse(why, "\"%s\" is not an address with a port (as 127.0.0.1:5222, [::]:5222)",
                       whole);
}

static bool source_element(char *word, void *element, char why[CONF_WHY_MAX])
{
    if (address_of(word, 0, element))
        return true;
    return conf_refuse(why, "\"%.80s\" is not an IP address (as 127.0.0.2, 2001:db8::2; no port)",
                       word);
}

static bool has_bits_behind(const struct conf_network *net)
{
    unsigned bits = net->family == AF_INET ? 32 : 128;

    for (unsigned i = net->prefix; i < bits; i++)
        if (net->bytes[i / 8] & (0x80 >> i % 8))
            return true;
    return false;
}

static bool network_element(char *word, void *element, char why[CONF_WHY_MAX])
{
    struct conf_network net = {0};
    char whole[80];
    char *slash = strchr(word, '/');
    unsigned bits = strchr(word, ':') ? 128 : 32;
    unsigned prefix = bits;

    snprintf(whole, sizeof whole, "%s", word);
    if (slash)
        *slash = '\0';
    net.family = bits == 32 ? AF_INET : AF_INET6;
    if (inet_pton(net.family, word, net.bytes) != 1 ||
        (slash && !digits(slash + 1, 0, bits, &prefix)))
        return conf_refuse(why, "\"%s\" is not a network (as 10.0.0.0/8, 2001:db8::/32, 127.0.0.1)",
                           whole);
    net.prefix = (uint8_t)prefix;
    if (has_bits_behind(&net))
        return conf_refuse(why, "\"%s\" has bits set behind its prefix", whole);
    memcpy(element, &net, sizeof net);
    return true;
}

/* What a resolver could be asked for; not an address. */
static bool is_host_name(const char *host)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    size_t len = strlen(host);
    const char *last = strrchr(host, '.');

    if (!len || len > 253 || strspn(host, allowed) != len || *host == '.' || *host == '-')
        return false;
    /* 127.0.0.300 is a mistyped address, not a name: no top-level domain is a number. */
    last = last ? last + 1 : host;
    return !*last || strspn(last, "0123456789") != strlen(last);
}

static bool target_element(char *word, void *element, char why[CONF_WHY_MAX])
{
    struct conf_target target = {0};
    struct conf_address address;
    char whole[80];
    char *host;

    snprintf(whole, sizeof whole, "%s", word);
    if (!strncmp(word, "unix:", 5) || *word == '/')
        return conf_refuse(why, "\"%s\": UNIX sockets are not supported yet", whole);
    if (!split_port(word, &host, &target.port) ||
        (!address_of(host, 0, &address) && !is_host_name(host)))
        return conf_refuse(
            why, "\"%s\" is not a server with a port (as 127.0.0.1:5322, [::1]:5322, name:5322)",
            whole);
    if (!(target.host = strdup(host)))
        return conf_refuse(why, "out of memory");
    memcpy(element, &target, sizeof target);
    return true;
}

static bool read_endpoints(const char *text, const struct conf_bounds *bounds, void *place,
                           char why[CONF_WHY_MAX])
{
    static const struct list kind = {sizeof(struct conf_address), endpoint_element};

    return read_list(text, bounds, place, &kind, clear_list, why);
}

static bool read_endpoint(const char *text, const struct conf_bounds *bounds, void *place,
                          char why[CONF_WHY_MAX])
{
    if (strcmp(text, "none"))
        return read_endpoints(text, bounds, place, why);
    clear_list(place);
    return true;
}

static bool read_sources(const char *text, const struct conf_bounds *bounds, void *place,
                         char why[CONF_WHY_MAX])
{
    static const struct list kind = {sizeof(struct conf_address), source_element};

    return read_list(text, bounds, place, &kind, clear_list, why);
}

static bool read_networks(const char *text, const struct conf_bounds *bounds, void *place,
                          char why[CONF_WHY_MAX])
{
    static const struct list kind = {sizeof(struct conf_network), network_element};

    return read_list(text, bounds, place, &kind, clear_list, why);
}

static bool read_targets(const char *text, const struct conf_bounds *bounds, void *place,
                         char why[CONF_WHY_MAX])
{
    static const struct list kind = {sizeof(struct conf_target), target_element};

    return read_list(text, bounds, place, &kind, clear_targets, why);
}

const struct conf_type conf_type_endpoints = {read_endpoints, clear_list};
const struct conf_type conf_type_endpoint = {read_endpoint, clear_list};
const struct conf_type conf_type_sources = {read_sources, clear_list};
const struct conf_type conf_type_network_list = {read_networks, clear_list};
const struct conf_type conf_type_target_list = {read_targets, clear_targets};
