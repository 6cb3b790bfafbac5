/* SPDX-License-Identifier: MIT */
/*
 * The arena runs out of extents at each one in turn that is taken, once or for good, or
 * the budget of all arenas is spent from there on. A session that needed one ends by the
 * policy, or what was asked of it is refused; each stanza is accounted for; and when
 * there is room again all works again, in the same arena.
 */
#include "tests/support/allocation.h"
#include "tests/support/session_story.h"

enum lack { LACK_ONE, LACK_REST, LACK_BUDGET, LACKS };

static unsigned countdown; /* the extent that brings it to 0 is not there; 0: all are */
static enum lack then;
static bool failed;
static struct rig *rig; /* whose budget it is */

uint64_t __real_extents_take(struct extents *e, size_t size);
uint64_t __wrap_extents_take(struct extents *e, size_t size);

/* What the linker lets the library call instead. The budget has counted the extent already. */
uint64_t __wrap_extents_take(struct extents *e, size_t size)
{
    if (!countdown || --countdown)
        return __real_extents_take(e, size);
    failed = true;
    if (then == LACK_REST)
        countdown = 1;
    if (then == LACK_BUDGET)
        rig->budget.max = rig->budget.used - size;
    return EXTENT_NONE;
}

static void run_out(struct rig *r, unsigned nth, enum lack lack)
{
    rig = r;
    countdown = nth;
    then = lack;
    failed = false;
}

static bool refill(void)
{
    countdown = 0;
    rig->budget.max = 32u << 20;
    return failed;
}

static int with_room(void **)
{
    countdown = 0;
    return 0;
}

/* --- sessions --- */

static void a_story_told_without_room_can_be_told_again_with_it(void **)
{
    struct rig *r = rig_core(32u << 20);
    struct sm_counts as_always = story(r), counts;

    assert_true(as_always.lost < as_always.left); /* only what nobody came for */
    for (enum lack lack = 0; lack < LACKS; lack++) {
        unsigned nth = 1;

        for (run_out(r, nth, lack); story(r), refill(); run_out(r, nth, lack)) {
            counts = story(r);
            assert_memory_equal(&counts, &as_always, sizeof counts);
            nth += allocation_stride();
        }
        assert_true(nth > STORY_CROWD + 20);
    }
    counts = sm_core_counts(r->core);
    assert_true(counts.ended[SM_END_MEMORY]);
    assert_true(counts.refused_births || allocation_stride() > 1);
    rig_free(r);
}

static void leave(struct rig *r, int stanzas)
{
    gone(r);
    for (int i = 0; i < stanzas; i++)
        to_client(r, "<message><body>to be or not to be</body></message>");
    STEP(r, SM_LINK_CLOSED, .end = SM_END_LINK);
    sm_commit(r->s);
    sm_returned(r->s, r->now, &r->o);
    sm_session_free(r->s, r->now);
    r->s = NULL;
}

/* True if so many extents were enough. Kind: what stands in the adopter's queue already. */
static bool adopts_with(unsigned extents, int kind)
{
    struct rig *r = rig_new();

    leave(r, 60);
    rig_birth(r, &(struct sm_birth){.resumable = true});
    if (kind & 1)
        to_client(r, "<presence/>");
    if (kind & 2)
        assert_true(sm_tail_add(r->s, (struct sm_text){"<mess", 5}));
    if (kind & 4)
        sm_commit(r->s);
    uint32_t held = sm_session_view(r->s).held;

    run_out(r, extents + 1, LACK_REST);
    size_t adopted = sm_adopt(r->s, &r->o, r->now);
    bool enough = !refill();

    assert_true(adopted == 60 || (adopted == 0 && !enough));
    assert_int_equal(sm_session_state(r->s), SM_LIVE);
    assert_int_equal(sm_session_view(r->s).held, held + adopted);
    sm_commit(r->s);
    assert_true(sm_core_left(r->core, rig_text("alice@example.org/phone")) == !adopted);
    assert_int_equal(sm_tail(r->s).len, kind & 2 ? 5 : 0);
    assert_int_equal(sm_core_counts(r->core).lost, 0);
    rig_free(r);
    return enough;
}

static void an_adoption_is_whole_or_has_not_begun(void **)
{
    for (int kind = 0; kind < 8; kind++) {
        unsigned extents = 0;

        while (!adopts_with(extents, kind))
            extents++;
        assert_in_range(extents, 1, 2);
    }
}

/* The bytes lie there, and what is missing is a place in the index. */
static void a_stanza_whose_place_is_missing_does_not_become_part_of_the_next(void **)
{
    struct rig *r = rig_new();
    char reply[128];
    uint32_t len = 20;

    memset(reply, 'x', sizeof reply);
    do { /* until the reply fills the extent exactly, so that it leaves the tail no place */
        if (r->s)
            rig_free(r);
        r = rig_new();
        assert_true(sm_tail_add(r->s, (struct sm_text){"<m/>", 4}));
        assert_true(STEP(r, SM_REPLY, .stanza = {.xml = reply, .len = len++}));
    } while (r->s->record.down.end + 4 + 48 <= r->s->record.down.size);

    run_out(r, 1, LACK_REST);
    assert_true(STEP(r, SM_TO_CLIENT, .stanza = {.fate = SM_FATE_KEEP}));
    assert_true(refill());
    assert_int_equal(sm_session_end(r->s), SM_END_MEMORY);
    assert_int_equal(sm_core_counts(r->core).lost, 1);
    assert_int_equal(sm_tail(r->s).len, 0);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_story_told_without_room_can_be_told_again_with_it, with_room),
        cmocka_unit_test_setup(an_adoption_is_whole_or_has_not_begun, with_room),
        cmocka_unit_test_setup(a_stanza_whose_place_is_missing_does_not_become_part_of_the_next,
                               with_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
