/* SPDX-License-Identifier: MIT */
/*
 * Messages that ended sessions left behind for the next session of their full JID. Such
 * a session has no handle any more: what is known of it is in its record, and each
 * change is a commit of its own.
 */
#include "sm/core_priv.h"
#include "sm/session_priv.h"

#include <assert.h>
#include <stdlib.h>

static_assert(offsetof(struct core_left, node) == 0, "a node is what was left");

/* An account leaves messages of as many sessions as it may have at once, or who ends one after
 * another would fill the memory, and the chain that every login walks. The oldest goes. */
static void leave_room(struct sm_core *core, struct sm_text account)
{
    struct registry_node *n = NULL, *oldest = NULL;
    uint32_t count = 0;

    while ((n = registry_next_of(&core->registry, account, n))) {
        if (n->left && !count++)
            oldest = n; /* a chain keeps the order of coming */
    }
    if (count >= core->limits->sessions_per_account && oldest)
        core_left_expire(core, (struct core_left *)oldest);
}

bool core_leave(struct sm_core *core, struct sm_session *s, uint64_t expires_ms)
{
    struct core_left *left;

    /* Nobody may ever come for it: it must not keep new sessions out. */
    if (!core_may_leave(core) || !(left = calloc(1, sizeof *left)))
        return false;
    leave_room(core, record_identity(&core->arena, s->node.slot).account);
    for (uint32_t n = s->record.returned; n < s->record.down.count; n++) {
        struct sm_stanza stanza;

        if (queue_nth(&s->down, n, &stanza) && stanza.fate == SM_FATE_KEEP)
            core->counts.left++;
    }
    queue_tail_drop(&s->down);
    queue_empty(&s->up);
    s->record.state = SM_LEFT;
    s->record.expires_ms = expires_ms;
    s->record.serial = ++core->left_serial;
    core_commit(core, s, UINT64_MAX);

    registry_drop(&core->registry, &s->node);
    core_name(&left->node, &core->arena, s->node.slot);
    left->node.left = true;
    int r = registry_add(&core->registry, &left->node);

    assert(r == 0); /* there is room where one was just dropped */
    core->lefts++;
    registry_set_deadline(&core->registry, &left->node, expires_ms);
    return true;
}

void core_left_drop(struct sm_core *core, struct core_left *left)
{
    struct sm_record copy = *record_read(&core->arena, left->node.slot);
    struct queue down, up;

    queue_init(&down, &core->arena, &copy.down);
    queue_init(&up, &core->arena, &copy.up);
    registry_drop(&core->registry, &left->node);
    record_drop(&core->arena, left->node.slot);
    queue_clear(&down);
    queue_clear(&up);
    core->lefts--;
    free(left);
}

struct core_left *core_left(const struct sm_core *core, struct sm_text jid)
{
    struct registry_node *n = NULL;

    while ((n = registry_next_at(&core->registry, jid, n))) {
        if (n->left)
            return (struct core_left *)n; /* a chain keeps the order of coming */
    }
    return NULL;
}

struct queue core_left_queue(struct sm_core *core, const struct core_left *left,
                             struct sm_record *copy)
{
    struct queue down;

    *copy = *record_read(&core->arena, left->node.slot);
    queue_init(&down, &core->arena, &copy->down);
    return down;
}

/* The number of the oldest stanza that is still to be handed over; false: none. */
static bool oldest_kept(const struct queue *down, uint32_t *n, struct sm_stanza *out)
{
    struct sm_stanza s;

    for (; queue_nth(down, *n, &s); ++*n) {
        if (s.fate == SM_FATE_KEEP) {
            *out = s;
            out->late = true;
            return true;
        }
    }
    return false;
}

/* As long as there is one of that JID: how many are left in the oldest that holds any. */
static struct core_left *left_with_first(struct sm_core *core, struct sm_text jid, uint32_t *n,
                                         struct sm_stanza *out)
{
    struct core_left *left;

    while ((left = core_left(core, jid))) {
        struct sm_record copy;
        struct queue down = core_left_queue(core, left, &copy);

        *n = copy.returned;
        if (oldest_kept(&down, n, out))
            return left;
        core_left_drop(core, left);
    }
    return NULL;
}

bool sm_core_left(const struct sm_core *core, struct sm_text jid)
{
    return core_left(core, jid);
}

bool sm_core_left_first(struct sm_core *core, struct sm_text jid, struct sm_stanza *out)
{
    uint32_t n;

    return left_with_first(core, jid, &n, out);
}

void sm_core_left_done(struct sm_core *core, struct sm_text jid)
{
    struct sm_stanza s;
    uint32_t n;
    struct core_left *left = left_with_first(core, jid, &n, &s);
    struct sm_record copy;

    if (!left)
        return;
    struct queue down = core_left_queue(core, left, &copy);

    for (uint32_t i = 0; i <= n; i++)
        queue_pop_one(&down);
    copy.returned = n = 0;
    core->counts.adopted++;
    if (!oldest_kept(&down, &n, &s)) {
        core_left_drop(core, left);
        return;
    }
    queue_settle(&down);
    record_commit(&core->arena, left->node.slot, &copy);
    queue_committed(&down);
}

void core_left_expire(struct sm_core *core, struct core_left *left)
{
    struct sm_record copy;
    struct queue down = core_left_queue(core, left, &copy);
    struct sm_stanza s;

    for (uint32_t n = copy.returned; oldest_kept(&down, &n, &s); n++)
        core->counts.lost++;
    core_left_drop(core, left);
}
