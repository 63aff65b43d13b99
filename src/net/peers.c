/* peers.c - how many connections each address has: open addressing, linear probing, deletion by
 * moving back.
 *
 * Lives on the loop thread. Grows at half load, so a probe is short; one row is 20 bytes. */
#include "net/net_private.h"

#include "base/hash.h"
#include "base/mem.h"

struct lhi_peer {
    uint8_t ip[16];
    uint32_t count; /* 0: empty */
};

enum { CAPACITY_FIRST = 64 };

static size_t slot_of(const lhi_peers *peers, const uint8_t ip[16])
{
    size_t slot = (size_t)lh_hash64(lh_str_n(ip, 16), 0) & (peers->capacity - 1);
    while (peers->items[slot].count > 0 && memcmp(peers->items[slot].ip, ip, 16) != 0)
        slot = (slot + 1) & (peers->capacity - 1);
    return slot;
}

static bool grow(lhi_peers *peers)
{
    lhi_peers bigger = {.capacity = peers->capacity == 0 ? CAPACITY_FIRST : peers->capacity * 2,
                        .used = peers->used};
    bigger.items = lh_alloc_zero(bigger.capacity, sizeof(*bigger.items));
    if (bigger.items == NULL)
        return false;
    for (size_t i = 0; i < peers->capacity; i++)
        if (peers->items[i].count > 0)
            bigger.items[slot_of(&bigger, peers->items[i].ip)] = peers->items[i];
    lh_free(peers->items);
    *peers = bigger;
    return true;
}

bool lhi_peers_add(lhi_peers *peers, const uint8_t ip[16], uint32_t max)
{
    if (peers->used * 2 >= peers->capacity && !grow(peers))
        return false;
    struct lhi_peer *peer = &peers->items[slot_of(peers, ip)];
    if (peer->count >= max)
        return false;
    if (peer->count++ == 0) {
        memcpy(peer->ip, ip, 16);
        peers->used++;
    }
    return true;
}

void lhi_peers_drop(lhi_peers *peers, const uint8_t ip[16])
{
    if (peers->capacity == 0)
        return;
    size_t mask = peers->capacity - 1;
    size_t hole = slot_of(peers, ip);
    if (peers->items[hole].count == 0 || --peers->items[hole].count > 0)
        return;
    peers->used--;
    for (size_t at = (hole + 1) & mask; peers->items[at].count > 0; at = (at + 1) & mask) {
        size_t home = (size_t)lh_hash64(lh_str_n(peers->items[at].ip, 16), 0) & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue; /* it would move before its home */
        peers->items[hole] = peers->items[at];
        peers->items[at].count = 0;
        hole = at;
    }
}

void lhi_peers_done(lhi_peers *peers)
{
    peers->items = lh_free(peers->items);
    peers->capacity = 0;
    peers->used = 0;
}
