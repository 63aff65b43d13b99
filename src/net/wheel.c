/* wheel.c - all deadlines of all connections with one timer.
 *
 * 256 slots of 50 ms. A connection stands in the slot where the wheel shall look at it, which may
 * be earlier than its deadline: moving the deadline back (the common case: a request came, the idle
 * time starts anew) only writes a number, and the look finds that there is nothing to do yet and
 * puts it further on. So a request costs no list operation. */
#include "net/net_private.h"

static void unlink_conn(lhi_conn *conn)
{
    struct lh_server *server = conn->server;
    if (conn->wheel_prev != NULL)
        conn->wheel_prev->wheel_next = conn->wheel_next;
    else
        server->wheel.slots[conn->wheel_slot] = conn->wheel_next;
    if (conn->wheel_next != NULL)
        conn->wheel_next->wheel_prev = conn->wheel_prev;
    conn->wheel_prev = conn->wheel_next = NULL;
}

/* Into the slot of its deadline, or of the farthest one. */
static void link_conn(lhi_conn *conn)
{
    struct lh_server *server = conn->server;
    int64_t horizon_us = server->wheel.at_us + (LHI_WHEEL_SLOTS - 1) * LHI_TICK_US;
    int64_t due_us =
        LH_MIN(LH_MAX(conn->deadline_us, server->wheel.at_us + LHI_TICK_US), horizon_us);
    int64_t number = (due_us + LHI_TICK_US - 1) / LHI_TICK_US; /* never early */
    conn->wheel_us = number * LHI_TICK_US;
    conn->wheel_slot = (uint8_t)(number % LHI_WHEEL_SLOTS);
    lhi_conn **slot = &server->wheel.slots[conn->wheel_slot];
    conn->wheel_prev = NULL;
    conn->wheel_next = *slot;
    if (*slot != NULL)
        (*slot)->wheel_prev = conn;
    *slot = conn;
}

void lhi_wheel_set(lhi_conn *conn, int64_t deadline_us)
{
    conn->deadline_us = deadline_us;
    if (deadline_us == LH_NO_DEADLINE)
        return; /* if it stands in the wheel, the look takes it out */
    if (conn->wheel_us != 0) {
        if (conn->wheel_us <= deadline_us + LHI_TICK_US)
            return;
        unlink_conn(conn);
    } else {
        if (conn->server->wheel.count++ == 0) /* the wheel stood still */
            conn->server->wheel.at_us = conn->server->now_us / LHI_TICK_US * LHI_TICK_US;
    }
    link_conn(conn);
}

void lhi_wheel_remove(lhi_conn *conn)
{
    if (conn->wheel_us == 0)
        return;
    unlink_conn(conn);
    conn->wheel_us = 0;
    conn->server->wheel.count--;
}

static void look(struct lh_server *server, int64_t slot_us)
{
    uint8_t slot = (uint8_t)(slot_us / LHI_TICK_US % LHI_WHEEL_SLOTS);
    /* What the callbacks put back into this very slot belongs to the next turn: work on a list of
     * its own. */
    lhi_conn *first = server->wheel.slots[slot];
    server->wheel.slots[slot] = NULL;
    while (first != NULL) {
        lhi_conn *conn = first;
        first = conn->wheel_next;
        if (first != NULL)
            first->wheel_prev = NULL;
        conn->wheel_next = NULL;
        conn->wheel_us = 0;
        server->wheel.count--;
        if (conn->deadline_us == LH_NO_DEADLINE)
            continue;
        if (conn->deadline_us <= server->now_us)
            lhi_conn_timer(conn);
        else
            lhi_wheel_set(conn, conn->deadline_us);
    }
}

void lhi_wheel_turn(struct lh_server *server)
{
    int64_t now_us = server->now_us / LHI_TICK_US * LHI_TICK_US;
    /* After a long stop (a debugger, a suspended machine) one round sees every slot. */
    if (now_us - server->wheel.at_us > LHI_WHEEL_SLOTS * LHI_TICK_US)
        server->wheel.at_us = now_us - LHI_WHEEL_SLOTS * LHI_TICK_US;
    while (server->wheel.at_us < now_us) {
        server->wheel.at_us += LHI_TICK_US;
        look(server, server->wheel.at_us);
    }
}
