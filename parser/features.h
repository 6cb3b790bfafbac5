/* SPDX-License-Identifier: MIT */
/*
 * Stream features: what the server offers, and what of it the client is shown
 * (sm/README.md, "What is rewritten").
 */
#pragma once

#include "parser/element.h"

struct features {
    bool starttls, starttls_required;
    bool mechanisms;      /* offers SASL */
    bool channel_binding; /* offers a SCRAM-*-PLUS mechanism: a fault of the set-up to be logged */
    bool bind;
    bool iq_auth, iq_register;
};

[[nodiscard]] struct features features_read(const struct element *features);

/* <stream:features> with STARTTLS, required, alone. */
void features_write_starttls(struct sink *k);

/* False for *-PLUS and EXTERNAL, which are offered to nobody: whoever asks for one is refused. */
[[nodiscard]] bool features_mechanism_works(struct span mechanism);

/* Before SASL: mechanisms without *-PLUS and EXTERNAL, iq-auth, iq-register; nothing else. */
void features_write_before_sasl(struct sink *k, const struct element *features);

/* After SASL: all but STARTTLS, compression, any stream management, dialback, SASL, SASL2, Bind 2,
 * instant resumption, channel-binding lists, iq-auth, iq-register; with sm:3 and sm:2 added. */
void features_write_after_sasl(struct sink *k, const struct element *features);
