/* SPDX-License-Identifier: MIT */
/*
 * How many handshakes a turn takes: a few, and more where all else took long.
 */
#include "proxy/client_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CROWD = 400, FEW = 16 };

static const double READING_S = 0.001;

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
    client_line_move(w.tools, 0);
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

/* Each hello is there to be read; how many are. */
static size_t pass_all(struct world *w, double reading_s)
{
    size_t passed = 0;

    for (size_t i = 0; i < CROWD; i++)
        if (client_line_pass(&w->hellos[i])) {
            client_line_took(w->tools, reading_s);
            passed++;
        }
    return passed;
}

/* The same, and the end of a turn where all else takes so long. */
static size_t turn(struct world *w, double others_s)
{
    size_t passed = pass_all(w, READING_S);

    client_line_move(w->tools, others_s + (double)passed * READING_S);
    return passed;
}

static void a_turn_takes_a_few(void **)
{
    struct world w = make_world();

    assert_int_equal(w.tools->accepts, FEW);
    assert_int_equal(turn(&w, 0), FEW);
    assert_true(client_line_waits(w.tools));
    assert_int_equal(turn(&w, 0.001), FEW);
    assert_int_equal(turn(&w, 0.001), FEW);
    assert_in_range(turn(&w, 0.001), FEW, FEW + 1);
    assert_int_equal(w.tools->accepts, FEW);
    free_world(&w);
}

static void and_as_many_more_as_take_as_long_as_all_else_did(void **)
{
    struct world w = make_world();

    assert_int_equal(turn(&w, 0.0505), FEW);
    assert_int_equal(turn(&w, 0.0505), FEW);
    assert_in_range(w.tools->accepts, 100, 101);
    assert_in_range(turn(&w, 0), 50, FEW + 51);
    assert_int_equal(turn(&w, 0), FEW);
    free_world(&w);
}

static void one_long_turn_is_no_load(void **)
{
    struct world w = make_world();

    assert_int_equal(turn(&w, 0), FEW);
    assert_int_equal(turn(&w, 5), FEW);
    assert_int_equal(turn(&w, 0), FEW);
    assert_int_equal(turn(&w, 0), FEW);
    free_world(&w);
}

static void but_not_longer_than_a_tenth_of_a_second(void **)
{
    struct world w = make_world();

    turn(&w, 5);
    turn(&w, 5);
    assert_int_equal(w.tools->accepts, 128);
    assert_in_range(turn(&w, 5), 99, FEW + 101);
    free_world(&w);
}

/* A turn of dear ones behind two of cheap ones ends when its time is over. */
static void the_time_counts_not_what_was_expected(void **)
{
    struct world w = make_world();

    for (int i = 0; i < 2; i++) {
        pass_all(&w, 1e-6);
        client_line_move(w.tools, 1);
    }
    assert_false(client_line_waits(w.tools)); /* all were let go */
    assert_in_range(pass_all(&w, 0.01), FEW, FEW + 11);
    assert_true(client_line_waits(w.tools));
    free_world(&w);
}

static void who_was_let_go_and_came_too_late_is_in_front_of_who_came_since(void **)
{
    struct world w = make_world();
    struct client *late = &w.hellos[CROWD - 1], *since = &w.talker;

    for (int i = 0; i < 2; i++) {
        pass_all(&w, 1e-6);
        client_line_move(w.tools, 1);
    }
    client_line_took(w.tools, 1); /* the time is over */
    since->listen = &direct;
    assert_false(client_line_pass(since));
    assert_false(client_line_pass(late));
    assert_ptr_equal(TAILQ_FIRST(&w.tools->handshakes), late);
    client_line_leave(since);
    free_world(&w);
}

static void whoever_is_in_passes(void **)
{
    struct world w = make_world();

    turn(&w, 0);
    for (size_t i = 0; i < CROWD; i++)
        assert_true(client_line_pass(&w.talker));
    w.hellos[CROWD - 1].phase = CLIENT_LINGERING;
    assert_true(client_line_pass(&w.hellos[CROWD - 1]));
    free_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_takes_a_few),
        cmocka_unit_test(and_as_many_more_as_take_as_long_as_all_else_did),
        cmocka_unit_test(one_long_turn_is_no_load),
        cmocka_unit_test(but_not_longer_than_a_tenth_of_a_second),
        cmocka_unit_test(the_time_counts_not_what_was_expected),
        cmocka_unit_test(who_was_let_go_and_came_too_late_is_in_front_of_who_came_since),
        cmocka_unit_test(whoever_is_in_passes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
