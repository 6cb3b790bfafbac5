/* SPDX-License-Identifier: MIT */
/*
 * JIDs as RFC 6122 servers compare them: split, prepared by stringprep (libidn).
 */
#pragma once

#include "parser/sink.h"

enum { JID_PART_MAX = 1023, JID_MAX = 3071 };

/* local@domain/resource; local and resource are absent if they are not there. No preparation. False
 * if the domain is empty, a part is longer than JID_PART_MAX, or a present part is empty. */
[[nodiscard]] bool jid_split(struct span jid, struct span *local, struct span *domain,
                             struct span *resource);

/* Prepared by nodeprep, nameprep, resourceprep into the sink (absent parts left out). False, and
 * the sink of no use, if a profile forbids it, it does not fit, or libidn finds no memory. */
[[nodiscard]] bool jid_prepare(struct sink *k, struct span local, struct span domain,
                               struct span resource);

/* One part alone, prepared; what is prepared stays so when it is prepared again. A domain loses its
 * final dot (RFC 6122, 2.2), and may have but one. What stringprep lets pass although no host name
 * has it is forbidden there: of ASCII all but letters, digits and -._[]: */
[[nodiscard]] bool jid_local(struct sink *k, struct span local);
[[nodiscard]] bool jid_domain(struct sink *k, struct span domain);
[[nodiscard]] bool jid_resource(struct sink *k, struct span resource);

/* jid_split and jid_prepare of a JID as text; without its resource if `bare`. */
[[nodiscard]] bool jid_normal(struct sink *k, struct span jid, bool bare);

/* True if both prepare to the same JID. */
[[nodiscard]] bool jid_same(struct span a, struct span b, bool bare);
