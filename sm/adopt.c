/* SPDX-License-Identifier: MIT */
/*
 * A new session takes what an ended one of the same full JID left behind. The commit
 * that holds the copies also names the record that they come from, which is freed only
 * after it: so they are in exactly one of the two, whenever the process dies.
 */
#include "sm/asks.h"
#include "sm/session_priv.h"

size_t sm_adopt(struct sm_session *s, struct sm_orders *o, uint64_t now_ms)
{
    struct core_left *left = core_left(s->core, s->node.jid);
    struct sm_record copy;
    struct sm_stanza stanza;
    size_t count = 0;

    if (!left || s->record.state != SM_LIVE || s->record.adopted_generation)
        return 0; /* one for each commit */
    struct queue from = core_left_queue(s->core, left, &copy);

    for (uint32_t n = copy.returned; queue_nth(&from, n, &stanza); n++) {
        struct sm_event push = { .type = SM_TO_CLIENT, .now_ms = now_ms, .stanza = stanza };

        if (stanza.fate != SM_FATE_KEEP)
            continue;
        push.stanza.late = true;
        if (sm_rules_apply(s, SM_TO_CLIENT, &push, o))
            count++;
    }
    s->record.adopted_slot = left->node.slot;
    s->record.adopted_generation = record_slot(&s->core->arena, left->node.slot)->id.generation;
    s->core->counts.adopted += count;
    s->changed = true;
    return count;
}
