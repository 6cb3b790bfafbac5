/* SPDX-License-Identifier: MIT */
/*
 * What a server, or the network before it, does to links that are in the best order: it ends them,
 * with something said just before; it sends urgent data; it reads nothing for a while.
 *
 * Urgent data are the same bytes as ever, so a link that gets some has to go on as if
 * nothing had been. What is ended is said (`ENDED jid`), for only its session may be over.
 */
#include "tests/load/link.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { AT_ONCE = 3, URGENT_MAX = 4, STATUS_MAX = 2000, FULL = 1000 };

static const double stall_s = .7, stall_longest_s = 3.;

/* Bytes in front of an end: nothing, a whole stanza, or a part of one, which nothing can follow. */
static void last_words(struct link *l, bool whole)
{
    struct dice *dice = &l->standin->dice;
    struct account *to = l->account;
    struct bytes b = {0};
    uint32_t roll = dice_below(dice, 3), len = dice_below(dice, STATUS_MAX);

    if (!roll || !to->friend)
        return;
    bytes_print(&b, "<presence from='%s' to='%s'><status>", to->friend->jid, to->jid);
    for (uint32_t i = 0; i < len; i++)
        bytes_put(&b, &"abcdefgh "[i % 9], 1);
    bytes_print(&b, "</status></presence>");
    link_put(l, bytes_front(&b), whole || roll == 1 ? bytes_len(&b) : 1 + len);
    bytes_clear(&b);
}

static void end(struct link *l, enum ending how, const char *tag)
{
    struct standin *s = l->standin;

    s->counts.ended++;
    printf("ENDED %s\n", l->account->jid);
    fflush(stdout);
    last_words(l, *tag);
    l->account->may_skip = true;
    l->account->pings_may_skip = true;
    link_leave_account(l);
    l->step = STEP_ENDED;
    l->ending = how;
    ev_timer_stop(s->loop, &l->lag);
    link_put(l, tag, strlen(tag));
}

/* A reset destroys what is not sent yet, which the server counts as sent; so it has to be. */
static bool all_is_sent(const struct link *l)
{
    int unsent = 0;

    return ioctl(l->fd, SIOCOUTQNSD, &unsent) == 0 && !unsent;
}

void mischief_end(struct link *l)
{
    struct linger reset = {.l_onoff = 1};
    bool resets = l->ending == ENDING_RESET && all_is_sent(l);

    l->ending = ENDING_NONE;
    l->standin->counts.resets += resets;
    if (resets || l->dead) {
        if (resets)
            (void)setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        link_free(l);
        return;
    }
    (void)shutdown(l->fd, SHUT_WR);
    ev_io_start(l->standin->loop, &l->readable);
}

static void urge(struct link *l)
{
    struct standin *s = l->standin;

    s->counts.urgents++;
    l->urgent = 1 + dice_below(&s->dice, URGENT_MAX);
    link_put(l, " ", 1);
}

static void stall(struct link *l)
{
    struct standin *s = l->standin;
    double lasts = dice_around(&s->dice, stall_s);

    if (ev_is_active(&l->lag))
        return;
    s->counts.stalls++;
    l->stalled = true;
    ev_io_stop(s->loop, &l->readable);
    ev_timer_set(&l->lag, lasts < stall_longest_s ? lasts : stall_longest_s, 0.);
    ev_timer_start(s->loop, &l->lag);
}

void mischief_stalled(struct link *l)
{
    int unread = 0;

    if (!l->stalled)
        return;
    l->stalled = false;
    if (ioctl(l->fd, SIOCINQ, &unread) == 0 && unread >= FULL)
        l->standin->counts.full++;
}

static void befall(struct link *l)
{
    switch (dice_below(&l->standin->dice, 14)) {
    case 0:
    case 1:
        end(l, ENDING_FINISH, "");
        break;
    case 2:
    case 3:
        end(l, ENDING_RESET, "");
        break;
    case 4:
        end(l, ENDING_FINISH, "</stream:stream>");
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        stall(l);
        break;
    default:
        urge(l);
        break;
    }
}

/* Those whose clients have said their presence: which they do when they have a session. */
static bool is_ripe(const struct link *l)
{
    return l->step == STEP_BOUND && l->account && l->account->available;
}

void mischief(struct standin *s)
{
    uint32_t ripe = 0, many = 1 + dice_below(&s->dice, AT_ONCE);
    struct link *l;

    for (l = s->links; l; l = l->next)
        ripe += is_ripe(l);
    for (; many && ripe; many--) {
        uint32_t nth = dice_below(&s->dice, ripe);

        for (l = s->links; l; l = l->next)
            if (is_ripe(l) && !nth--)
                break;
        if (!l)
            return;
        ripe--;
        befall(l);
    }
}
