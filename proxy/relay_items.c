/* SPDX-License-Identifier: MIT */
/*
 * Where parser/ and sm/ meet: what an item is called by the rules, what becomes of
 * a stanza that is not delivered, which request an answer belongs to.
 */
#include "proxy/relay.h"

/* A row for each kind; stanzas are told apart below. */
static const enum login_says says[] = {
    [ITEM_MESSAGE] = LOGIN_STANZA,
    [ITEM_PRESENCE] = LOGIN_STANZA,
    [ITEM_IQ] = LOGIN_STANZA,
    [ITEM_SM_ENABLE] = LOGIN_ENABLE,
    [ITEM_SM_RESUME] = LOGIN_RESUME,
    [ITEM_SM_R] = LOGIN_R,
    [ITEM_SM_A] = LOGIN_A,
    [ITEM_SM_OTHER] = LOGIN_SM_OTHER,
    [ITEM_STARTTLS] = LOGIN_STARTTLS,
    [ITEM_PROCEED] = LOGIN_OTHER,
    [ITEM_TLS_FAILURE] = LOGIN_OTHER,
    [ITEM_AUTH] = LOGIN_SASL_AUTH,
    [ITEM_CHALLENGE] = LOGIN_OTHER,
    [ITEM_RESPONSE] = LOGIN_SASL_RESPONSE,
    [ITEM_SUCCESS] = LOGIN_OTHER,
    [ITEM_FAILURE] = LOGIN_OTHER,
    [ITEM_ABORT] = LOGIN_SASL_ABORT,
    [ITEM_FEATURES] = LOGIN_OTHER,
    [ITEM_STREAM_ERROR] = LOGIN_OTHER,
    [ITEM_STREAM] = LOGIN_OTHER,
    [ITEM_OPEN] = LOGIN_OTHER, /* over WebSocket it is a header, and never gets here */
    [ITEM_CLOSE] = LOGIN_OTHER,
    [ITEM_CSI_ACTIVE] = LOGIN_CSI,
    [ITEM_CSI_INACTIVE] = LOGIN_CSI,
    [ITEM_OTHER] = LOGIN_OTHER,
};

enum login_says relay_says(const struct item *item)
{
    if (item->kind == ITEM_IQ && (item->type == TYPE_GET || item->type == TYPE_SET)) {
        if (item->payload == PAYLOAD_BIND)
            return LOGIN_IQ_BIND;
        if (item->payload == PAYLOAD_AUTH)
            return LOGIN_IQ_AUTH;
        if (item->payload == PAYLOAD_REGISTER)
            return LOGIN_IQ_REGISTER;
    }
    return says[item->kind];
}

enum sm_fate relay_fate(const struct item *item)
{
    bool keeps = item->type == TYPE_NONE || item->type == TYPE_NORMAL || item->type == TYPE_CHAT ||
                 item->type == TYPE_HEADLINE || item->type == TYPE_OTHER;

    if (item->kind == ITEM_MESSAGE && keeps && (item->flags & ITEM_CONTENT))
        return SM_FATE_KEEP;
    if (item->kind == ITEM_IQ && (item->type == TYPE_GET || item->type == TYPE_SET))
        return SM_FATE_REFUSE;
    return SM_FATE_DROP;
}

static uint32_t hash(uint32_t h, struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (uint8_t)s.p[i]) * 16777619u;
    return (h ^ 0xff) * 16777619u;
}

/* The account itself and its server have several names: none, the domain, the bare JID. */
static bool is_home(struct span peer, struct span jid)
{
    const char *at = jid.p ? memchr(jid.p, '@', jid.len) : NULL;
    const char *slash = jid.p ? memchr(jid.p, '/', jid.len) : NULL;
    size_t bare = slash ? (size_t)(slash - jid.p) : jid.len;

    if (!peer.len || span_eq(peer, (struct span){jid.p, bare}))
        return true;
    return at && at < jid.p + bare &&
           span_eq(peer, (struct span){at + 1, bare - (size_t)(at + 1 - jid.p)});
}

/* The same for a request and for its answer: of the id, and of the other side's JID. Never 0. */
uint32_t relay_request(const struct item *item, struct span peer, struct span jid)
{
    uint32_t h = hash(2166136261u, item->id);

    h = hash(h, is_home(peer, jid) ? SPAN_NONE : peer);
    return h ? h : 1;
}
