/* SPDX-License-Identifier: MIT */
/*
 * Version 1 is a line of text, version 2 a binary block whose length stands in its
 * first 16 bytes (haproxy.org, proxy-protocol.txt). Both are read from what has
 * arrived so far, anew each time: they come in one segment.
 */
#include "parser/proxy_header.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>

enum {
    LINE_MAX_BYTES = 107, /* of version 1, with its CRLF */
    SIGNATURE_BYTES = 12,
    FIXED_BYTES = 16, /* of version 2: signature, version and command, family, length */
    ADDRESSES_4 = 12, /* two addresses, two ports */
    ADDRESSES_6 = 36,
};

enum { V2_LOCAL = 0x20, V2_PROXY = 0x21 }; /* version and command */
enum { V2_UNSPEC = 0x00, V2_TCP4 = 0x11, V2_TCP6 = 0x21, V2_UNIX = 0x31 };

static const char signature[SIGNATURE_BYTES + 1] = "\r\n\r\n\0\r\nQUIT\n";

/* An address of either family, as the header gives it. */
struct end {
    sa_family_t family;
    unsigned char address[16];
    uint16_t port;
};

static void end_store(const struct end *e, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (e->family == AF_INET) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(e->port)};

        memcpy(&in.sin_addr, e->address, sizeof in.sin_addr);
        memcpy(out, &in, sizeof in);
    } else {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(e->port)};

        memcpy(&in6.sin6_addr, e->address, sizeof in6.sin6_addr);
        memcpy(out, &in6, sizeof in6);
    }
}

/* False if it is of neither family. */
static bool end_load(struct end *e, const struct sockaddr *from)
{
    if (from && from->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, from, sizeof in);
        *e = (struct end){.family = AF_INET, .port = ntohs(in.sin_port)};
        memcpy(e->address, &in.sin_addr, sizeof in.sin_addr);
        return true;
    }
    if (from && from->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, from, sizeof in6);
        *e = (struct end){.family = AF_INET6, .port = ntohs(in6.sin6_port)};
        memcpy(e->address, &in6.sin6_addr, sizeof in6.sin6_addr);
        return true;
    }
    return false;
}

/* --- version 1 --- */

/* The next word of a line whose words have one space between them; absent behind the last. */
static struct span cut_word(struct span *rest)
{
    struct span word = *rest;
    const char *space = word.len ? memchr(word.p, ' ', word.len) : NULL;

    if (!space) {
        *rest = SPAN_NONE;
        return word;
    }
    word.len = (size_t)(space - word.p);
    *rest = (struct span){space + 1, rest->len - word.len - 1};
    return word;
}

static bool read_address(struct span word, struct end *e)
{
    char text[INET6_ADDRSTRLEN];

    if (!word.len || word.len >= sizeof text)
        return false;
    memcpy(text, word.p, word.len);
    text[word.len] = '\0';
    return inet_pton(e->family, text, e->address) == 1;
}

/* 0 to 65535, without zeros in front. */
static bool read_port(struct span word, struct end *e)
{
    unsigned port = 0;

    if (!word.len || word.len > 5 || (word.len > 1 && word.p[0] == '0'))
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.p[i] < '0' || word.p[i] > '9')
            return false;
        port = port * 10 + (unsigned)(word.p[i] - '0');
    }
    if (port > UINT16_MAX)
        return false;
    e->port = (uint16_t)port;
    return true;
}

/* The line without its CRLF. */
static enum proxy_header_verdict read_line(struct span line, struct sockaddr_storage *source)
{
    struct span rest = {line.p + strlen("PROXY "), line.len - strlen("PROXY ")};
    struct span family = cut_word(&rest);
    struct end from = {0}, to = {0};

    if (span_is(family, "UNKNOWN"))
        return PROXY_HEADER_LOCAL;
    if (!span_is(family, "TCP4") && !span_is(family, "TCP6"))
        return PROXY_HEADER_BAD;
    from.family = to.family = span_is(family, "TCP4") ? AF_INET : AF_INET6;
    if (!read_address(cut_word(&rest), &from) || !read_address(cut_word(&rest), &to) ||
        !read_port(cut_word(&rest), &from) || !read_port(cut_word(&rest), &to) || rest.p)
        return PROXY_HEADER_BAD;
    end_store(&from, source);
    return PROXY_HEADER_FINE;
}

static enum proxy_header_verdict read_v1(struct span in, size_t *used,
                                         struct sockaddr_storage *source)
{
    enum proxy_header_verdict verdict;

    for (size_t i = strlen("PROXY "); i < in.len && i < LINE_MAX_BYTES - 1; i++) {
        if (in.p[i] == '\r') {
            if (i + 1 == in.len)
                return PROXY_HEADER_MORE;
            if (in.p[i + 1] != '\n')
                return PROXY_HEADER_BAD;
            verdict = read_line((struct span){in.p, i}, source);
            *used = verdict == PROXY_HEADER_BAD ? 0 : i + 2;
            return verdict;
        }
        if (in.p[i] < ' ' || in.p[i] > '~')
            return PROXY_HEADER_BAD;
    }
    return in.len < LINE_MAX_BYTES - 1 ? PROXY_HEADER_MORE : PROXY_HEADER_BAD;
}

/* --- version 2 --- */

static uint16_t read_u16(const char *p)
{
    return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

/* Source, destination, source port, destination port; what stands behind them are TLVs. */
static void read_block(const char *block, sa_family_t family, struct sockaddr_storage *source)
{
    size_t bytes = family == AF_INET ? 4 : 16;
    struct end from = {.family = family, .port = read_u16(block + 2 * bytes)};

    memcpy(from.address, block, bytes);
    end_store(&from, source);
}

static enum proxy_header_verdict read_v2(struct span in, size_t *used,
                                         struct sockaddr_storage *source)
{
    size_t block_bytes;
    unsigned char command, family;

    if (in.len < FIXED_BYTES)
        return PROXY_HEADER_MORE;
    command = (unsigned char)in.p[12];
    family = (unsigned char)in.p[13];
    block_bytes = read_u16(in.p + 14);
    if ((command != V2_LOCAL && command != V2_PROXY) ||
        block_bytes > PROXY_HEADER_MAX - FIXED_BYTES)
        return PROXY_HEADER_BAD;
    if (command == V2_PROXY &&
        ((family != V2_UNSPEC && family != V2_TCP4 && family != V2_TCP6 && family != V2_UNIX) ||
         (family == V2_TCP4 && block_bytes < ADDRESSES_4) ||
         (family == V2_TCP6 && block_bytes < ADDRESSES_6)))
        return PROXY_HEADER_BAD;
    if (in.len - FIXED_BYTES < block_bytes)
        return PROXY_HEADER_MORE;

    *used = FIXED_BYTES + block_bytes;
    if (command == V2_LOCAL || (family != V2_TCP4 && family != V2_TCP6))
        return PROXY_HEADER_LOCAL;
    read_block(in.p + FIXED_BYTES, family == V2_TCP4 ? AF_INET : AF_INET6, source);
    return PROXY_HEADER_FINE;
}

/* True if the input and `start` are the same as far as both go. */
static bool agrees(struct span in, struct span start)
{
    size_t len = in.len < start.len ? in.len : start.len;

    return !len || !memcmp(in.p, start.p, len);
}

enum proxy_header_verdict proxy_header_read(struct span in, size_t *used,
                                            struct sockaddr_storage *source)
{
    struct span v1 = SPAN_LIT("PROXY "), v2 = {signature, SIGNATURE_BYTES};

    *used = 0;
    if (agrees(in, v1))
        return in.len < v1.len ? PROXY_HEADER_MORE : read_v1(in, used, source);
    if (agrees(in, v2))
        return in.len < v2.len ? PROXY_HEADER_MORE : read_v2(in, used, source);
    return PROXY_HEADER_BAD;
}

/* --- writing --- */

static void write_port(struct sink *k, uint16_t port)
{
    char digits[5];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + port % 10);
        port /= 10;
    } while (port);
    sink_put(k, (struct span){digits + at, sizeof digits - at});
}

static void write_address(struct sink *k, const struct end *e)
{
    char text[INET6_ADDRSTRLEN];

    sink_puts(k, inet_ntop(e->family, e->address, text, sizeof text));
}

static void write_v1(struct sink *k, const struct end *from, const struct end *to)
{
    sink_puts(k, from->family == AF_INET ? "PROXY TCP4 " : "PROXY TCP6 ");
    write_address(k, from);
    sink_puts(k, " ");
    write_address(k, to);
    sink_puts(k, " ");
    write_port(k, from->port);
    sink_puts(k, " ");
    write_port(k, to->port);
    sink_puts(k, "\r\n");
}

static void write_bytes(struct sink *k, const void *p, size_t len)
{
    sink_put(k, (struct span){p, len});
}

static void write_u16(struct sink *k, size_t value)
{
    unsigned char bytes[2] = {(unsigned char)(value >> 8), (unsigned char)value};

    write_bytes(k, bytes, sizeof bytes);
}

static void write_fixed(struct sink *k, unsigned char command, unsigned char family, size_t block)
{
    write_bytes(k, signature, SIGNATURE_BYTES);
    write_bytes(k, &command, 1);
    write_bytes(k, &family, 1);
    write_u16(k, block);
}

static void write_v2(struct sink *k, const struct end *from, const struct end *to)
{
    bool ip4 = from->family == AF_INET;
    size_t bytes = ip4 ? 4 : 16;

    write_fixed(k, V2_PROXY, ip4 ? V2_TCP4 : V2_TCP6, ip4 ? ADDRESSES_4 : ADDRESSES_6);
    write_bytes(k, from->address, bytes);
    write_bytes(k, to->address, bytes);
    write_u16(k, from->port);
    write_u16(k, to->port);
}

void proxy_header_write(struct sink *k, int version, const struct sockaddr *source,
                        const struct sockaddr *destination)
{
    struct end from, to;
    bool known = end_load(&from, source) && end_load(&to, destination) && from.family == to.family;

    assert(version == 1 || version == 2);
    if (version == 1 && known)
        write_v1(k, &from, &to);
    else if (version == 1)
        sink_puts(k, "PROXY UNKNOWN\r\n");
    else if (known)
        write_v2(k, &from, &to);
    else
        write_fixed(k, V2_LOCAL, V2_UNSPEC, 0);
}
