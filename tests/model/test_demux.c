/* SPDX-License-Identifier: BSD-2-Clause */
/* The demultiplexer against a list that is searched from end to end by the rules of its header. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>

#include "memory.h"
#include "random.h"
#include "src/core/cells.h"
#include "src/core/slots.h"

#define SOCKETS 400
#define MANY 60000u

static const uint64_t secret[2] = { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };

static struct memory memory;
static struct berth_demux *demux;

/* The twin: sockets in the order in which they came. */
static struct berth_demux_socket twin[SOCKETS];
static uint64_t came[SOCKETS];
static unsigned sockets;
static uint64_t clock_now;

static struct berth_address v4(uint8_t last)
{
	uint8_t byte[4] = { 10, 0, 0, last };

	if (!last)
		memset(byte, 0, 4);
	return berth_address_v4(byte);
}

static struct berth_address v6(uint8_t last)
{
	struct berth_address a = { { 0 } };

	if (last)
		a.byte[0] = 0x20;
	a.byte[15] = last;
	return a;
}

static uint16_t some_port(void)
{
	static const uint16_t ports[] = { 1, 80, 65535 };

	return ports[random_below(3)];
}

/* A socket of a small world, so that many share an address and a port. */
static struct berth_demux_socket some_socket(void)
{
	struct berth_demux_socket s = { 0 };
	bool six = random_below(2), connected = random_below(3) == 0;
	uint8_t low = connected ? 1 : 0;

	s.at.protocol = random_below(2) ? BERTH_TCP : BERTH_UDP;
	s.at.local =
		six ? v6((uint8_t)(low + random_below(2))) : v4((uint8_t)(low + random_below(2)));
	s.at.local_port = some_port();
	if (connected) {
		s.at.remote = six ? v6(1) : v4(1);
		s.at.remote_port = some_port();
	} else {
		if (random_below(3) == 0)
			s.flags |= BERTH_DEMUX_REUSEPORT;
		if (six && random_below(2))
			s.flags |= BERTH_DEMUX_V6ONLY;
		if (!six && random_below(4) == 0)
			s.flags |= BERTH_DEMUX_FAMILY6;
	}
	s.at.device = random_below(3);
	s.owner = random64();
	return s;
}

static struct berth_flow some_flow(void)
{
	struct berth_flow f = { 0 };
	bool six = random_below(2);

	f.protocol = random_below(2) ? BERTH_TCP : BERTH_UDP;
	f.local = six ? v6((uint8_t)(1 + random_below(3))) : v4((uint8_t)(1 + random_below(3)));
	f.remote = six ? v6((uint8_t)(1 + random_below(2))) : v4((uint8_t)(1 + random_below(2)));
	f.local_port = some_port();
	f.remote_port = random_below(8) ? some_port() : 0;
	f.device = random_below(4);
	return f;
}

static bool same_address(const struct berth_address *a, const struct berth_address *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static bool is_any(const struct berth_address *a)
{
	struct berth_address any4 = v4(0), any6 = v6(0);

	return same_address(a, &any4) || same_address(a, &any6);
}

/* The level at which a socket takes the packet, or none. */
static enum berth_demux_level level_of(const struct berth_demux_socket *s,
				       const struct berth_flow *f)
{
	bool packet4 = berth_address_is_v4(&f->local), socket4 = berth_address_is_v4(&s->at.local);

	if (s->at.protocol != f->protocol || s->at.local_port != f->local_port ||
	    (s->at.device && s->at.device != f->device))
		return BERTH_DEMUX_NONE;
	if (s->at.remote_port)
		return s->at.remote_port == f->remote_port &&
				       same_address(&s->at.local, &f->local) &&
				       same_address(&s->at.remote, &f->remote)
			       ? BERTH_DEMUX_CONNECTED
			       : BERTH_DEMUX_NONE;
	if (same_address(&s->at.local, &f->local))
		return BERTH_DEMUX_BOUND;
	if (!is_any(&s->at.local))
		return BERTH_DEMUX_NONE;
	if (packet4 == socket4 || (packet4 && !(s->flags & BERTH_DEMUX_V6ONLY)))
		return BERTH_DEMUX_ANY;
	return BERTH_DEMUX_NONE;
}

static bool is_six(const struct berth_demux_socket *s)
{
	return (s->flags & BERTH_DEMUX_FAMILY6) || !berth_address_is_v4(&s->at.local);
}

/* True where socket a takes the packet rather than b; both take it at the same level. */
static bool before(unsigned a, unsigned b, const struct berth_flow *f)
{
	bool packet4 = berth_address_is_v4(&f->local), late_a, late_b;
	int device = f->protocol == BERTH_UDP ? 4 : 1;
	int rank_a = (twin[a].at.device ? device : 0) + (packet4 && !is_six(&twin[a]));
	int rank_b = (twin[b].at.device ? device : 0) + (packet4 && !is_six(&twin[b]));

	if (rank_a != rank_b)
		return rank_a > rank_b;
	late_a = (twin[a].flags & BERTH_DEMUX_REUSEPORT) && is_six(&twin[a]);
	late_b = (twin[b].flags & BERTH_DEMUX_REUSEPORT) && is_six(&twin[b]);
	if (late_a != late_b)
		return late_b;
	return late_a ? came[a] < came[b] : came[a] > came[b];
}

/* The socket that a packet belongs to, or one of its group; -1 for none. */
static int twin_find(const struct berth_flow *f, enum berth_demux_level *out_level)
{
	int best = -1;
	unsigned i;

	*out_level = BERTH_DEMUX_NONE;
	for (i = 0; i < sockets; i++) {
		enum berth_demux_level level = level_of(&twin[i], f);

		if (!level)
			continue;
		if (best < 0 || level < *out_level ||
		    (level == *out_level && before(i, (unsigned)best, f))) {
			best = (int)i;
			*out_level = level;
		}
	}
	return best;
}

/* Flags that mean something for the socket's address. */
static uint8_t meant(const struct berth_demux_socket *s)
{
	struct berth_address any6 = v6(0);
	uint8_t flags = s->flags;

	if (!same_address(&s->at.local, &any6))
		flags &= (uint8_t)~BERTH_DEMUX_V6ONLY;
	if (!berth_address_is_v4(&s->at.local))
		flags &= (uint8_t)~BERTH_DEMUX_FAMILY6;
	return flags;
}

static bool alike(const struct berth_demux_socket *a, const struct berth_demux_socket *b)
{
	return !memcmp(&a->at, &b->at, sizeof(a->at)) && meant(a) == meant(b);
}

/* Whether the owner is that of the socket, or of a member of its group. */
static bool is_owner(int found, uint64_t owner, const struct berth_flow *f)
{
	unsigned i;

	if (!(twin[found].flags & BERTH_DEMUX_REUSEPORT))
		return twin[found].owner == owner;
	for (i = 0; i < sockets; i++)
		if (twin[i].owner == owner && level_of(&twin[i], f) &&
		    alike(&twin[i], &twin[found]))
			return true;
	return false;
}

/* NULL where table and twin agree on a packet, else what differs. */
static const char *compare(const struct berth_flow *f, enum berth_demux_level level, uint64_t owner)
{
	enum berth_demux_level expected;
	int found = twin_find(f, &expected);

	if (level != expected)
		return "the level differs";
	if (found >= 0 && !is_owner(found, owner, f))
		return "the owner differs";
	return NULL;
}

static const char *compare_some(unsigned count)
{
	struct berth_flow f[40];
	uint64_t owner[40], alone = 0;
	uint8_t level[40];
	unsigned i, n = 1 + random_below(40);

	for (; count; count--) {
		for (i = 0; i < n; i++)
			f[i] = some_flow();
		berth_demux_find_batch(demux, f, n, owner, level);
		for (i = 0; i < n; i++) {
			const char *wrong = compare(&f[i], level[i], owner[i]);

			if (wrong)
				return wrong;
			if (berth_demux_find(demux, &f[i], &alone) != level[i] ||
			    (level[i] && alone != owner[i]))
				return "a batch and a single look-up differ";
		}
	}
	return NULL;
}

static void forget(unsigned i)
{
	memmove(&twin[i], &twin[i + 1], (sockets - i - 1) * sizeof(*twin));
	memmove(&came[i], &came[i + 1], (sockets - i - 1) * sizeof(*came));
	sockets--;
}

/* What adding must answer by the twin: 0 or -EADDRINUSE. */
static int twin_add(const struct berth_demux_socket *s)
{
	unsigned i;

	for (i = 0; i < sockets; i++)
		if (s->at.protocol == BERTH_TCP && s->at.remote_port &&
		    !memcmp(&twin[i].at, &s->at, sizeof(s->at)))
			return -EADDRINUSE;
	came[sockets] = clock_now++;
	/* A group has the age of its first member. */
	for (i = 0; i < sockets; i++)
		if ((s->flags & BERTH_DEMUX_REUSEPORT) && alike(&twin[i], s))
			came[sockets] = came[i];
	twin[sockets++] = *s;
	return 0;
}

static void begin(void)
{
	struct berth_demux_memory calls = memory_calls(&memory);

	sockets = 0;
	assert_int_equal(berth_demux_new(&calls, secret, &demux), 0);
}

static void end(void)
{
	berth_demux_free(demux);
	memory_collect(&memory);
	assert_int_equal(memory.bytes, 0);
}

static void right(const char *wrong)
{
	if (wrong)
		fail_msg("%s", wrong);
}

static void add_some(void)
{
	struct berth_demux_socket s = some_socket();
	int expected, err;

	if (sockets == SOCKETS)
		return;
	if (random_below(8) == 0) {
		/* Without memory nothing changes. */
		memory.calls_left = (long)random_below(3);
		err = berth_demux_add(demux, &s);
		memory.calls_left = -1;
		if (err == -ENOMEM)
			return;
		expected = twin_add(&s);
	} else {
		expected = twin_add(&s);
		err = berth_demux_add(demux, &s);
	}
	assert_int_equal(err, expected);
}

static void remove_some(void)
{
	unsigned i = sockets ? random_below(sockets) : 0, asked = memory.asked;

	if (!sockets)
		return;
	assert_int_equal(berth_demux_remove(demux, &twin[i]), 0);
	assert_int_equal(memory.asked, asked);
	forget(i);
}

static void test_small_world(void **state)
{
	unsigned round, i;

	(void)state;
	for (round = 0; round < 40; round++) {
		unsigned most = 1 + random_below(60);

		begin();
		for (i = 0; i < 300; i++) {
			if (sockets < most && random_below(3))
				add_some();
			else
				remove_some();
			right(compare_some(2));
			if (random_below(10) == 0)
				memory_collect(&memory);
		}
		assert_true(memory.bytes - memory.retired == berth_demux_usage(demux).bytes);
		while (sockets)
			remove_some();
		right(compare_some(4));
		assert_int_equal(berth_demux_usage(demux).pairs_v4, 0);
		assert_int_equal(berth_demux_usage(demux).pairs_v6, 0);
		end();
	}
}

/* A table that lost a socket, and one that has another owner for it, are told from the twin. */
static void test_sabotage(void **state)
{
	unsigned tries, seen = 0;

	(void)state;
	for (tries = 0; tries < 20; tries++) {
		struct berth_demux_socket *s;

		begin();
		while (sockets < 20)
			add_some();
		right(compare_some(20));
		s = &twin[random_below(sockets)];
		assert_int_equal(berth_demux_remove(demux, s), 0);
		if (tries & 1) {
			struct berth_demux_socket other = *s;

			other.owner ^= 1;
			assert_int_equal(berth_demux_add(demux, &other), 0);
		}
		seen += compare_some(400) != NULL;
		end();
	}
	/* A socket that others hide from every packet may be lost unseen. */
	assert_true(seen >= 10);
}

static struct berth_demux_socket pair_number(uint32_t i, bool six)
{
	struct berth_demux_socket s = { .owner = i };

	s.at.protocol = BERTH_TCP;
	s.at.local = six ? v6(1) : v4(1);
	s.at.remote = six ? v6(2) : v4(2);
	s.at.local_port = (uint16_t)(443 + i / 60000);
	s.at.remote_port = (uint16_t)(65535 - i % 60000);
	return s;
}

static void expect_pair(uint32_t i, bool six, bool there)
{
	struct berth_demux_socket s = pair_number(i, six);
	uint64_t owner = UINT64_MAX;

	assert_int_equal(berth_demux_find(demux, &s.at, &owner),
			 there ? BERTH_DEMUX_CONNECTED : BERTH_DEMUX_NONE);
	assert_true(owner == (there ? i : UINT64_MAX));
}

/* Growth, reuse of entries, counts of overflow: many pairs come and go in random order. */
static void many_pairs(bool six, uint32_t reserved)
{
	static bool there[MANY];
	uint32_t count = 0, i, k;

	memset(there, 0, sizeof(there));
	begin();
	assert_int_equal(berth_demux_reserve(demux, six ? 0 : reserved, six ? reserved : 0), 0);
	for (k = 0; k < 4 * MANY; k++) {
		bool grows = (k / MANY) % 2 == 0;
		struct berth_demux_socket s;

		i = random_below(MANY);
		if (there[i] == grows && random_below(4))
			continue;
		s = pair_number(i, six);
		if (there[i])
			assert_int_equal(berth_demux_remove(demux, &s), 0);
		else
			assert_int_equal(berth_demux_add(demux, &s), 0);
		there[i] = !there[i];
		count += there[i] ? 1 : UINT32_MAX;
		i = random_below(MANY);
		if (k % 64 == 0)
			expect_pair(i, six, there[i]);
	}
	for (i = 0; i < MANY; i++)
		expect_pair(i, six, there[i]);
	assert_true((six ? berth_demux_usage(demux).pairs_v6 : berth_demux_usage(demux).pairs_v4) ==
		    count);
	end();
}

static void test_many_pairs(void **state)
{
	(void)state;
	many_pairs(false, 0);
	many_pairs(false, 3 * MANY / 4);
	many_pairs(true, 0);
	many_pairs(true, 3 * MANY / 4);
}

/* No more than 64 bytes for a pair at any size from a hundred thousand on. */
static void test_memory(void **state)
{
	int six;
	uint32_t i;

	(void)state;
	for (six = 0; six < 2; six++) {
		begin();
		for (i = 1; i <= 3 * MANY; i++) {
			struct berth_demux_socket s = pair_number(i, six);

			assert_int_equal(berth_demux_add(demux, &s), 0);
			if (i >= 100000)
				assert_true(berth_demux_usage(demux).bytes <= 64ull * i);
		}
		assert_true(memory.bytes - memory.retired == berth_demux_usage(demux).bytes);
		end();
	}
}

#define FLOWS 4096u
#define MEMBERS 300u

/* The owner of each of many packets to a group; returns how many each member has. */
static void owners(uint64_t *owner, uint32_t *share)
{
	struct berth_flow f = {
		.local = v4(1), .remote = v4(2), .local_port = 80, .protocol = BERTH_TCP
	};
	uint32_t i;

	memset(share, 0, MEMBERS * sizeof(*share));
	for (i = 0; i < FLOWS; i++) {
		f.remote_port = (uint16_t)(1024 + i);
		assert_int_equal(berth_demux_find(demux, &f, &owner[i]), BERTH_DEMUX_BOUND);
		share[owner[i]]++;
	}
}

/* Who leaves takes only its own packets along, who joins only gets; shares are even. */
static void spread_among(uint32_t most, uint32_t changes)
{
	static uint64_t before_[FLOWS], after[FLOWS];
	static uint32_t share[MEMBERS];
	static bool member[MEMBERS];
	struct berth_demux_socket s = { .flags = BERTH_DEMUX_REUSEPORT };
	uint32_t members = 0, k, i;

	memset(member, 0, sizeof(member));
	begin();
	s.at.local = v4(1);
	s.at.local_port = 80;
	s.at.protocol = BERTH_TCP;
	for (k = 0; k < changes; k++) {
		uint32_t who = random_below(most);

		if (members)
			owners(before_, share);
		s.owner = who;
		if (member[who])
			assert_int_equal(berth_demux_remove(demux, &s), 0);
		else
			assert_int_equal(berth_demux_add(demux, &s), 0);
		member[who] = !member[who];
		members += member[who] ? 1 : UINT32_MAX;
		if (!members || (member[who] && members == 1))
			continue;
		owners(after, share);
		for (i = 0; i < FLOWS; i++)
			if (before_[i] != after[i])
				assert_true(member[who] ? after[i] == who : before_[i] == who);
		assert_true(member[who] || !share[who]);
		for (i = 0; i < MEMBERS && members <= 16; i++)
			if (member[i])
				assert_in_range(share[i], FLOWS / members / 2, FLOWS / members * 2);
	}
	end();
}

static void test_spread(void **state)
{
	(void)state;
	spread_among(10, 700);
	spread_among(MEMBERS, 800);
}

/* A pair of a table by itself; its place is among the first of the table, so that buckets overflow. */
static struct berth_pair_key crowded(uint32_t i, uint32_t *out_hash)
{
	*out_hash = 1 + (i * 0x9e3779b9u >> 8);
	return (struct berth_pair_key){ .protocol = 6, .ports = i, .address = { i, ~i } };
}

/* When all that went past a bucket are gone, no look-up goes past it any more. */
static void test_overflow_ends(void **state)
{
	struct berth_demux_memory calls = memory_calls(&memory);
	struct berth_cells cells = { 0 };
	struct berth_slots slots = { 0 };
	uint32_t hash, i, step;
	uint64_t over = 0, past = 0;

	(void)state;
	/* Growing would look for the hashes of the pairs. */
	assert_int_equal(berth_cells_reserve(&cells, &calls, 100), 0);
	for (step = 0; step < 2; step++)
		for (i = 0; i < 100; i++) {
			struct berth_pair_key key = crowded(i, &hash);
			struct berth_pair_value value = { 0, i };

			if (step) {
				berth_cells_remove(&cells, hash, &key);
				berth_slots_remove(&slots, hash, &key);
				continue;
			}
			assert_int_equal(berth_cells_add(&cells, &calls, hash, &key, value), 0);
			assert_int_equal(berth_slots_add(&slots, &calls, hash, &key, value), 0);
			past += cells.view->past[0] && slots.view->past[0];
		}
	assert_true(past > 0);
	for (i = 0; i < cells.view->buckets; i++)
		over |= cells.view->past[i] | berth_cells_over(&cells.view->bucket[i]);
	for (i = 0; i < slots.view->buckets; i++)
		over |= slots.view->past[i] |
			(*berth_slots_bucket(slots.view, i) & BERTH_SLOTS_OVER);
	assert_int_equal(over, 0);
	berth_cells_fini(&cells, &calls);
	berth_slots_fini(&slots, &calls);
	memory_collect(&memory);
	assert_int_equal(memory.bytes, 0);
}

/* A packet from nowhere has the words of a bound socket's key, and is not connected to it. */
static void test_from_port_zero(void **state)
{
	struct berth_address from[2] = { v4(0), { { 0 } } }, to[2] = { v4(1), v6(1) };
	uint32_t six, i;

	(void)state;
	begin();
	for (six = 0; six < 2; six++) {
		struct berth_demux_socket s = { .owner = 1 + six };
		struct berth_flow f[2];
		uint64_t owner[2];
		uint8_t level[2];

		s.at.local = to[six];
		s.at.local_port = 80;
		s.at.protocol = BERTH_UDP;
		assert_int_equal(berth_demux_add(demux, &s), 0);
		f[0] = f[1] = s.at;
		f[0].remote = f[1].remote = from[six];
		f[1].remote_port = 7;
		berth_demux_find_batch(demux, f, 2, owner, level);
		for (i = 0; i < 2; i++) {
			assert_int_equal(level[i], BERTH_DEMUX_BOUND);
			assert_int_equal(owner[i], 1 + six);
			assert_int_equal(berth_demux_find(demux, &f[i], &owner[i]),
					 BERTH_DEMUX_BOUND);
		}
	}
	end();
}

static void test_refusals(void **state)
{
	struct berth_demux_socket good = pair_number(1, false), s;
	uint64_t owner = 7;
	struct berth_flow f;

	(void)state;
	begin();
	s = good, s.at.local_port = 0;
	assert_int_equal(berth_demux_add(demux, &s), -EINVAL);
	s = good, s.at.remote_port = 0;
	assert_int_equal(berth_demux_add(demux, &s), -EINVAL);
	s = good, s.at.remote = v6(1);
	assert_int_equal(berth_demux_add(demux, &s), -EINVAL);
	s = good, s.at.remote = v4(0);
	assert_int_equal(berth_demux_add(demux, &s), -EINVAL);
	s = good, s.at.local = v4(0);
	assert_int_equal(berth_demux_add(demux, &s), -EINVAL);
	s = good, s.at.device = 0x7fffffff;
	assert_int_equal(berth_demux_add(demux, &s), -EINVAL);
	s = good, s.flags = BERTH_DEMUX_REUSEPORT;
	assert_int_equal(berth_demux_add(demux, &s), -EINVAL);
	assert_int_equal(berth_demux_remove(demux, &good), -ENOENT);
	assert_int_equal(berth_demux_add(demux, &good), 0);
	assert_int_equal(berth_demux_add(demux, &good), -EADDRINUSE);
	s = good, s.owner++;
	assert_int_equal(berth_demux_remove(demux, &s), -ENOENT);
	assert_int_equal(berth_demux_reserve(demux, 1000000001, 0), -EOVERFLOW);
	assert_int_equal(berth_demux_reserve(demux, 0, 1000000001), -EOVERFLOW);
	/* A packet from port 0 and no address is no reason to meet a bound socket's key as a pair. */
	s = (struct berth_demux_socket){ .at = good.at, .owner = 9 };
	s.at.remote = (struct berth_address){ { 0 } };
	s.at.remote_port = 0;
	assert_int_equal(berth_demux_add(demux, &s), 0);
	f = good.at, f.remote = v4(0), f.remote_port = 0;
	assert_int_equal(berth_demux_find(demux, &f, &owner), BERTH_DEMUX_BOUND);
	f = good.at, f.local_port = 0;
	owner = 7;
	assert_int_equal(berth_demux_find(demux, &f, &owner), BERTH_DEMUX_NONE);
	assert_int_equal(owner, 7);
	f = good.at, f.remote = v6(1);
	assert_int_equal(berth_demux_find(demux, &f, &owner), BERTH_DEMUX_NONE);
	end();
	berth_demux_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_world),    cmocka_unit_test(test_sabotage),
		cmocka_unit_test(test_many_pairs),     cmocka_unit_test(test_memory),
		cmocka_unit_test(test_spread),         cmocka_unit_test(test_overflow_ends),
		cmocka_unit_test(test_from_port_zero), cmocka_unit_test(test_refusals),
	};

	random_begin("demux");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
