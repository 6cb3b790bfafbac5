/* SPDX-License-Identifier: MIT */
/*
 * How many handshakes a turn takes: a few, and more where the others had much to say.
 */
#include "proxy/client_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CROWD = 100, FEW = 16, ONE_FOR = 8 };

static const struct conf_listen direct = {.transport = CONF_TLS}, clear = {.transport = CONF_WS};

struct world {
    struct tools *tools;
    struct client *hellos; /* CROWD of them */
    struct client talker;
};

static void nothing(struct ev_loop *, ev_io *, int)
{
}

static void make_client(struct client *c, struct tools *tools, const struct conf_listen *listen)
{
    *c = (struct client){.tools = tools, .listen = listen};
    ev_io_init(&c->readable, nothing, 0, EV_READ);
}

static struct world make_world(void)
{
    struct world w = {.tools = calloc(1, sizeof *w.tools),
                      .hellos = calloc(CROWD, sizeof *w.hellos)};

    assert_non_null(w.tools);
    assert_non_null(w.hellos);
    w.tools->loop = ev_loop_new(0);
    TAILQ_INIT(&w.tools->handshakes);
    for (size_t i = 0; i < CROWD; i++)
        make_client(&w.hellos[i], w.tools, &direct);
    make_client(&w.talker, w.tools, &clear);
    client_line_move(w.tools);
    return w;
}

static void free_world(struct world *w)
{
    for (size_t i = 0; i < CROWD; i++) {
        client_line_leave(&w->hellos[i]);
        ev_io_stop(w->tools->loop, &w->hellos[i].readable);
    }
    ev_loop_destroy(w->tools->loop);
    free(w->tools);
    free(w->hellos);
}

/* Each hello is there to be read; how many are, in this turn. */
static size_t turn(struct world *w)
{
    size_t passed = 0;

    for (size_t i = 0; i < CROWD; i++)
        passed += client_line_pass(&w->hellos[i]);
    client_line_move(w->tools);
    return passed;
}

static void a_turn_takes_a_few(void **)
{
    struct world w = make_world();

    assert_int_equal(turn(&w), FEW);
    assert_true(client_line_waits(w.tools));
    assert_int_equal(turn(&w), FEW);
    assert_int_equal(w.tools->entries, FEW);
    free_world(&w);
}

static void a_long_turn_makes_the_next_one_take_more(void **)
{
    struct world w = make_world();

    for (size_t i = 0; i < (size_t)ONE_FOR * (FEW + 4); i++)
        assert_true(client_line_pass(&w.talker));
    assert_int_equal(turn(&w), FEW); /* its share was known before it began */
    assert_int_equal(w.tools->entries, FEW + 4);
    assert_int_equal(turn(&w), FEW + 4);
    assert_int_equal(turn(&w), FEW);
    free_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_takes_a_few),
        cmocka_unit_test(a_long_turn_makes_the_next_one_take_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
