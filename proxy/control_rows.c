/* SPDX-License-Identifier: MIT */
/*
 * What a worker sees of its sessions and connections.
 */
#include "proxy/control_rows.h"

#include "proxy/client_entry.h"
#include "proxy/farewell.h"
#include "proxy/log.h"
#include "proxy/orders.h"
#include "proxy/relay.h"
#include "proxy/resume.h"

static const char *const states[] = {
    [SM_LIVE] = "attached", [SM_HELD] = "detached",   [SM_RESUMING] = "resuming",
    [SM_ENDING] = "ending", [SM_CLOSING] = "closing", [SM_LEFT] = "left",
    [SM_OVER] = "over",
};

/* --- status --- */

static json_t *status_rows(struct tools *tools, const char *)
{
    json_t *row = json_object();
    size_t connections = 0, links = 0;
    struct client *c;
    struct link *l;

    LIST_FOREACH(c, &tools->clients, entry)
    connections++;
    LIST_FOREACH(l, &tools->links, entry)
    links++;
    json_object_set_new(row, "connections", json_integer((json_int_t)connections));
    json_object_set_new(row, "links", json_integer((json_int_t)links));
#define X(name) json_object_set_new(row, #name, json_integer((json_int_t)tools->counters.name));
    COUNTERS(X)
#undef X
    for (int i = 0; i < END_COUNT; i++) {
        char name[64];

        snprintf(name, sizeof name, "closed %s", end_word((enum end)i));
        json_object_set_new(row, name, json_integer((json_int_t)tools->counters.ends[i]));
    }
    return json_pack("[o]", row);
}

static void add(json_t *sum, const char *name, uint64_t value)
{
    json_int_t now = json_integer_value(json_object_get(sum, name));

    json_object_set_new(sum, name, json_integer(now + (json_int_t)value));
}

static void add_core(json_t *sum, struct sm_core *core)
{
    struct sm_counts counts = sm_core_counts(core);

#define COUNT(name) add(sum, #name, counts.name)
    COUNT(sessions);
    COUNT(born);
    COUNT(resumed);
    COUNT(detached);
    COUNT(to_client);
    COUNT(to_server);
    COUNT(acked);
    COUNT(resent);
    COUNT(returned);
    COUNT(dropped);
    COUNT(lost);
    COUNT(left);
    COUNT(adopted);
    COUNT(unconfirmed);
    COUNT(probes);
    COUNT(refused_births);
#undef COUNT
    for (int i = SM_END_NONE + 1; i < SM_END_COUNT; i++) {
        char name[64];

        snprintf(name, sizeof name, "ended %s", sm_end_word((enum sm_end)i));
        add(sum, name, counts.ended[i]);
    }
}

/* Of the sessions that live in this worker's arenas. */
static json_t *core_rows(struct tools *tools, const char *id)
{
    json_t *rows = status_rows(tools, id);

    for (size_t i = 0; i < SM_ARENAS; i++)
        if (tools->cores[i])
            add_core(json_array_get(rows, 0), tools->cores[i]);
    return rows;
}

static json_t *status_whole(const json_t *rows, const struct conf *conf,
                            const struct arenas *arenas)
{
    json_t *sum = json_object(), *row, *value;
    const char *name;
    size_t i;

    json_object_set_new(sum, "version", json_string(HOLDFAST_VERSION));
    json_object_set_new(sum, "workers", json_integer((json_int_t)json_array_size(rows)));
    json_array_foreach(rows, i, row) json_object_foreach(row, name, value)
        add(sum, name, (uint64_t)json_integer_value(value));
    add(sum, "memory", atomic_load(&arenas->budget.used));
    add(sum, "memory_limit", arenas->budget.max);
    add(sum, "queue_stanzas_limit", conf->sm.queue_stanzas);
    add(sum, "queue_bytes_limit", conf->sm.queue_bytes);
    add(sum, "resume_timeout_ms", conf->sm.resume_timeout_ms);
    add(sum, "sessions_per_account_limit", conf->sm.sessions_per_account);
    return sum;
}

/* --- sessions --- */

static json_t *text(struct sm_text t)
{
    json_t *s = json_stringn(t.p, t.len);

    return s ? s : json_string("?"); /* what a server sends is not always UTF-8 */
}

static json_t *session_row(struct sm_session *s)
{
    struct sm_view view = sm_session_view(s);
    struct link *l = sm_session_user(s);
    uint64_t now = tools_now();
    char sid[RELAY_SID];
    json_t *row;

    relay_sid(s, sid);
    row = json_pack("{s:s, s:o, s:s, s:I, s:I, s:I, s:I}", "id", sid, "jid",
                    text(sm_session_identity(s).jid), "state", states[view.state], "since_s",
                    (json_int_t)((now - view.since_ms) / 1000), "held", (json_int_t)view.held,
                    "bytes", (json_int_t)view.held_bytes, "connection",
                    (json_int_t)(l->client ? l->client->id : 0));
    if (view.state == SM_HELD)
        json_object_set_new(
            row, "expires_s",
            json_integer(view.expires_ms > now ? (json_int_t)((view.expires_ms - now) / 1000) : 0));
    return row;
}

static json_t *session_rows(struct tools *tools, const char *)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < SM_ARENAS; i++) {
        struct sm_session *s = NULL;

        while (tools->cores[i] && (s = sm_core_next(tools->cores[i], s)))
            json_array_append_new(rows, session_row(s));
    }
    return rows;
}

static struct sm_session *find(struct tools *tools, const char *id)
{
    for (size_t i = 0; i < SM_ARENAS; i++) {
        struct sm_session *s = NULL;

        while (tools->cores[i] && (s = sm_core_next(tools->cores[i], s))) {
            char sid[RELAY_SID];

            relay_sid(s, sid);
            if (!strcmp(sid, id))
                return s;
        }
    }
    return NULL;
}

static json_t *one_session(struct tools *tools, const char *id)
{
    struct sm_session *s = find(tools, id);
    struct sm_view view;
    json_t *row;

    if (!s)
        return json_array();
    view = sm_session_view(s);
    row = session_row(s);
    json_object_set_new(row, "resumable", json_boolean(view.resumable));
    json_object_set_new(row, "sent", json_integer(view.sent));
    json_object_set_new(row, "acked", json_integer(view.acked));
    json_object_set_new(row, "taken", json_integer(view.taken));
    json_object_set_new(row, "confirmed", json_integer(view.confirmed));
    json_object_set_new(row, "said", json_integer(view.said));
    json_object_set_new(row, "unconfirmed_bytes", json_integer((json_int_t)view.up_bytes));
    json_object_set_new(row, "max_ms", json_integer((json_int_t)view.max_ms));
    json_object_set_new(row, "link",
                        json_integer((json_int_t)((struct link *)sm_session_user(s))->id));
    return json_pack("[o]", row);
}

static json_t *deed_row(const char *id, const char *done)
{
    return json_pack("[{s:s, s:s}]", "id", id, "done", done);
}

static json_t *detach(struct tools *tools, const char *id)
{
    struct sm_session *s = find(tools, id);
    struct link *l;

    if (!s)
        return json_array();
    l = sm_session_user(s);
    if (!l->client)
        return deed_row(id, "it was detached already");
    farewell_client(l->client, END_ADMIN, SPAN_NONE);
    return deed_row(id, "detached");
}

static json_t *end(struct tools *tools, const char *id)
{
    struct sm_session *s = find(tools, id);

    if (!s)
        return json_array();
    orders_tell(sm_session_user(s), (struct sm_event){.type = SM_FINISH, .end = SM_END_ORDERED});
    orders_obey(sm_session_user(s));
    return deed_row(id, "ending");
}

/* --- connections --- */

/* Bytes of memory that wait for the client or for its server, outside of the arenas. */
static size_t held(const struct client *c)
{
    const struct link *l = c->link;
    size_t sum = c->in.kept.cap + c->out.cap + c->say.cap;

    if (c->web)
        sum += c->web->held.cap;
    if (l)
        sum += l->in.kept.cap + l->out.cap + l->early.cap;
    return sum;
}

static json_t *connection_rows(struct tools *tools, const char *)
{
    json_t *rows = json_array();
    struct client *c;

    LIST_FOREACH(c, &tools->clients, entry)
    {
        bool has = c->link && c->link->session;
        char peer[80], sid[RELAY_SID] = "";
        json_t *row;

        if (has)
            relay_sid(c->link->session, sid);
        log_address(peer, (const struct sockaddr *)&c->peer);
        row = json_pack("{s:I, s:s, s:s, s:s, s:o, s:s, s:I, s:I}", "id", (json_int_t)c->id, "peer",
                        peer, "listen", c->listen->name, "state", client_stage(c), "jid",
                        text((struct sm_text){c->jid.p ? c->jid.p : "", c->jid.len}), "session",
                        sid, "worker", (json_int_t)tools->index, "age_s",
                        (json_int_t)((tools_now() - c->began_ms) / 1000));
        json_object_set_new(row, "held", json_integer((json_int_t)held(c)));
        json_object_set_new(row, "read", json_boolean(ev_is_active(&c->readable)));
        json_object_set_new(row, "link_read",
                            c->link ? json_boolean(ev_is_active(&c->link->readable)) : json_null());
        json_array_append_new(rows, row);
    }
    return rows;
}

static const struct control_command commands[] = {
    {"status", false, core_rows, status_whole},
    {"sessions", false, session_rows, NULL},
    {"session", true, one_session, NULL},
    {"connections", false, connection_rows, NULL},
    {"detach", true, detach, NULL},
    {"end", true, end, NULL},
};

const struct control_command *control_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}
