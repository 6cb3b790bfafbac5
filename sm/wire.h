/* SPDX-License-Identifier: MIT */
/*
 * The elements of XEP-0198 as Holdfast writes them, and its ping to the server.
 *
 * Each function writes one whole element without a terminating zero and gives its
 * length. What a peer chose is escaped; everything else has a fixed greatest length,
 * so that SM_WIRE_MAX bytes always suffice.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sm/event.h"

enum {
    SM_WIRE_MAX = 512,    /* of any element but the probe */
    SM_WIRE_PROBE = 6400, /* a domain has at most 1023 bytes, and an escape is six */
    SM_WIRE_DOMAIN = 1023,
};

/* `id` NULL: not resumable; then neither id nor max is said. `max_ms` is said in seconds, at
 * least 1. */
size_t sm_wire_enabled(char out[SM_WIRE_MAX], bool ns2, const char *id, uint64_t max_ms);
size_t sm_wire_resumed(char out[SM_WIRE_MAX], bool ns2, uint32_t h, const char *previd);

/* `condition`: a name of RFC 6120, 8.3.3. `h` NULL: not known, or not the client's to know. */
size_t sm_wire_failed(char out[SM_WIRE_MAX], bool ns2, const char *condition, const uint32_t *h);

size_t sm_wire_a(char out[SM_WIRE_MAX], bool ns2, uint32_t h);
size_t sm_wire_r(char out[SM_WIRE_MAX], bool ns2);

/* The stream error of XEP-0198, 6, without the closing tag of the stream. */
size_t sm_wire_too_high(char out[SM_WIRE_MAX], bool ns2, uint32_t h, uint32_t sent);

/* An XEP-0199 ping to the domain, at most SM_WIRE_DOMAIN bytes of it, with `id` in its id. */
size_t sm_wire_probe(char out[SM_WIRE_PROBE], struct sm_text domain, uint64_t id);

/* The number in the id of an answer to such a ping; false: it is none of ours. */
[[nodiscard]] bool sm_wire_probe_id(uint64_t *id, struct sm_text text);
