/* peers_test.c - counts per address agree with a plain array, whatever comes and goes. */
#include "net/net_private.h"
#include "support/unit.h"

enum { ADDRESSES = 500, STEPS = 50000, MAX = 3 };

static void address(uint8_t ip[16], uint32_t number)
{
    memset(ip, 0, 16);
    memcpy(ip + 12, &number, sizeof(number));
}

LH_TEST(counts_agree_with_a_model)
{
    lhi_peers peers = {0};
    uint32_t model[ADDRESSES] = {0};
    uint32_t random = 12345;
    for (int step = 0; step < STEPS; step++) {
        uint8_t ip[16];
        random = random * 1664525u + 1013904223u;
        uint32_t who = (random >> 8) % ADDRESSES;
        address(ip, who);
        if (random >> 31) {
            bool added = lhi_peers_add(&peers, ip, MAX);
            ck_assert_int_eq(added, model[who] < MAX);
            model[who] += added;
        } else if (model[who] > 0) {
            lhi_peers_drop(&peers, ip);
            model[who]--;
        }
    }
    size_t used = 0;
    for (uint32_t who = 0; who < ADDRESSES; who++) {
        used += model[who] > 0;
        for (uint8_t ip[16]; model[who] > 0; model[who]--) {
            address(ip, who);
            lhi_peers_drop(&peers, ip);
        }
    }
    ck_assert_uint_gt(used, 0);
    ck_assert_uint_eq(peers.used, 0);
    lhi_peers_done(&peers);
}
