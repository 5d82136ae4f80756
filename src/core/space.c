/* SPDX-License-Identifier: BSD-2-Clause */
/* A port space from its making to its end: memory, room, addresses, range, owners, counts. */
#include "src/core/space_fast.h"

#include <string.h>

#define MOST_SOCKETS (1u << 24)
#define SHARE_RECORDS 4u /* a share is counted for its address and its family, there by kind */

/* Arrays, not pointers: nothing here is to be relocated. The rows stand in the order of their numbers. */
#define NAME(id, number, name, text) { number, name, text },
static const struct {
	int number;
	char name[20], text[112];
} errors[] = { BERTH_SPACE_ERRORS(NAME) };
#undef NAME

static bool is_error(int error)
{
	return error < 0 && error >= -(int)(sizeof(errors) / sizeof(*errors));
}

const char *berth_space_error_name(int error)
{
	return is_error(error) ? errors[-error - 1].name : "ok";
}

const char *berth_space_error(int error)
{
	return is_error(error) ? errors[-error - 1].text : "nothing is wrong";
}

void *berth_space_get_memory(struct berth_space *sp, size_t size)
{
	void *memory = sp->memory.get(sp->memory.context, size);

	if (!memory)
		return NULL;
	memset(memory, 0, size);
	sp->bytes += size;
	return memory;
}

void berth_space_put_memory(struct berth_space *sp, void *memory, size_t size)
{
	if (!memory)
		return;
	sp->bytes -= size;
	sp->memory.put(sp->memory.context, memory, size);
}

static bool is_power(uint32_t n)
{
	return n && !(n & (n - 1));
}

static struct berth_space_config with_defaults(const struct berth_space_config *given)
{
	struct berth_space_config c = *given;
	struct berth_space_policy_row row;

	if (!c.first && !c.last && !berth_space_policy_row(c.policy, &row)) {
		c.first = row.first;
		c.last = row.last;
	}
	c.system_end = c.system_end ? c.system_end : 1024;
	c.addresses = c.addresses ? c.addresses : 4;
	c.owners = c.owners ? c.owners : 1;
	c.counters = c.counters ? c.counters : 512;
	c.parts = c.parts ? c.parts : 1;
	return c;
}

static bool is_sound(const struct berth_space_config *c)
{
	return c->first && c->first <= c->last && c->policy < BERTH_SPACE_POLICY_COUNT &&
	       c->addresses < 0xfff0 && is_power(c->counters) && c->counters <= 65536 &&
	       is_power(c->parts) && c->parts <= 64 && c->part < c->parts &&
	       (c->policy != BERTH_SPACE_HABIT || c->habit) && c->rest_pair_ms < INT32_MAX &&
	       c->rest_port_ms < INT32_MAX && c->idle_ms < INT32_MAX;
}

/* Counts the pool, and says of which span draws are. */
static void measure(struct berth_space *sp)
{
	const struct berth_space_config *c = &sp->config;
	struct berth_draw_span span;
	uint32_t port;

	/* A counter may stand at the length of the range before, where that means 0. */
	if (sp->range)
		berth_space_forget_offsets(sp);
	sp->range = (uint32_t)c->last - c->first + 1;
	sp->lowest = c->first < c->system_end ? c->system_end : c->first;
	span = berth_draw_span(sp->lowest, c->last, c->part, c->parts);
	sp->pool = 0;
	for (port = c->first; port <= c->last; port++)
		sp->pool += berth_space_in_pool(sp, port);
	berth_draw_stock_init(&sp->stock, &span);
	berth_space_weigh_luck(sp);
	berth_space_forget_offsets(sp);
}

static size_t local_table(const struct berth_space *sp)
{
	return sp->config.addresses * sizeof(struct berth_space_local *);
}

static size_t owner_table(const struct berth_space *sp)
{
	return sp->config.owners * sizeof(struct berth_space_owner);
}

int berth_space_new(const struct berth_space_config *config,
		    const struct berth_space_memory *memory, struct berth_space **out_space)
{
	struct berth_space_config c = with_defaults(config);
	struct berth_space *sp;
	uint32_t i;

	if (!is_sound(&c))
		return BERTH_SPACE_E_INVALID;
	sp = memory->get(memory->context, sizeof(*sp));
	if (!sp)
		return BERTH_SPACE_E_MEMORY;
	memset(sp, 0, sizeof(*sp));
	sp->config = c;
	sp->memory = *memory;
	sp->bytes = sizeof(*sp);
	sp->wild[0] = sp->wild[1] = 0xffff;
	sp->socks.free = sp->dests.free = sp->shares.free = BERTH_SPACE_NONE;
	sp->salt[0] = berth_draw_mix(c.key[0] ^ berth_draw_mix(c.key[1] + 1));
	sp->salt[1] = berth_draw_mix(c.key[2] ^ berth_draw_mix(c.key[3] + 2)) | 1;
	berth_wheel_init(&sp->wheel, c.now_ms);
	sp->local = berth_space_get_memory(sp, local_table(sp));
	sp->owner = berth_space_get_memory(sp, owner_table(sp));
	if (!sp->local || !sp->owner || !berth_space_policy_begin(sp)) {
		berth_space_free(sp);
		return BERTH_SPACE_E_MEMORY;
	}
	for (i = 0; i < c.owners; i++)
		sp->owner[i].limit = UINT32_MAX;
	measure(sp);
	*out_space = sp;
	return 0;
}

/* What depends on the room and on the range. */
struct tables {
	struct berth_space_sock *sock;
	struct berth_space_dest *dest;
	struct berth_space_share *share;
	struct berth_space_lane *lane;
	uint32_t *head[3];
	uint64_t *shared;
	struct berth_bag *bags;
	struct berth_space_room room;
	uint32_t lanes, bags_count, bag_room;
};

static uint32_t heads_for(uint32_t records)
{
	return records / 4 * 3 + 1;
}

static size_t bag_bytes(uint32_t room)
{
	return (sizeof(struct berth_bag) + room * sizeof(uint16_t) + 7) & ~(size_t)7;
}

static struct berth_bag *bag_at(const struct tables *t, uint32_t i)
{
	return (struct berth_bag *)((char *)t->bags + i * bag_bytes(t->bag_room));
}

/* How many destinations can be crowded, and how many sets can be so thin that they take a bag. */
static void plan(const struct berth_space *sp, struct tables *t)
{
	uint64_t sockets = t->room.sockets, alone = t->room.destinations;
	uint64_t pool = sp->pool ? sp->pool : 1, lanes, thin;

	alone = alone > sockets ? sockets : alone;
	lanes = (sockets - alone + 1) * 8 / pool + 2;
	lanes = lanes > t->room.destinations ? t->room.destinations : lanes;
	lanes = lanes > sockets / 16 + 1 ? sockets / 16 + 1 : lanes;
	t->lanes = lanes > 65534 ? 65534 : (uint32_t)lanes;
	thin = sockets * 4 / pool + 2;
	if (thin > t->lanes + 2 * sp->locals + 2)
		thin = t->lanes + 2 * sp->locals + 2;
	t->bag_room = berth_draw_room(&sp->stock.span);
	t->bags_count = sp->config.policy == BERTH_SPACE_UNIFORM ||
					sp->config.policy == BERTH_SPACE_RANDOM_RETRY
				? (uint32_t)thin
				: 0;
}

static struct tables tables_of(const struct berth_space *sp)
{
	return (struct tables){
		.sock = sp->sock,
		.dest = sp->dest,
		.share = sp->share,
		.lane = sp->lane,
		.head = { sp->socks.head, sp->dests.head, sp->shares.head },
		.shared = sp->shared,
		.bags = sp->bags,
		.room = sp->room,
		.lanes = sp->lanes,
		.bags_count = sp->bags_count,
		.bag_room = sp->bag_room,
	};
}

/* The parts of the tables that differ in `now` from what `other` has: one list for getting and for giving back. */
#define PARTS 9
struct part {
	void **memory;
	size_t size;
};

static void parts_of(struct tables *t, struct part *part)
{
	uint32_t shares = t->room.shares * SHARE_RECORDS;
	const struct part list[PARTS] = {
		{ (void **)&t->sock, t->room.sockets * sizeof(*t->sock) },
		{ (void **)&t->dest, t->room.destinations * sizeof(*t->dest) },
		{ (void **)&t->share, shares * sizeof(*t->share) },
		{ (void **)&t->lane, t->lanes * sizeof(*t->lane) },
		{ (void **)&t->head[0], heads_for(t->room.sockets) * sizeof(uint32_t) },
		{ (void **)&t->head[1], heads_for(t->room.destinations) * sizeof(uint32_t) },
		{ (void **)&t->head[2], heads_for(shares) * sizeof(uint32_t) },
		{ (void **)&t->shared, shares ? BERTH_PORTSET_LEAVES * sizeof(uint64_t) : 0 },
		{ (void **)&t->bags, t->bags_count * bag_bytes(t->bag_room) },
	};

	memcpy(part, list, sizeof(list));
}

static void tables_put(struct berth_space *sp, struct tables *t)
{
	struct part part[PARTS];
	int i;

	parts_of(t, part);
	for (i = 0; i < PARTS; i++)
		berth_space_put_memory(sp, *part[i].memory, part[i].size);
}

static bool tables_get(struct berth_space *sp, struct tables *t)
{
	struct part part[PARTS];
	bool all = true;
	int i;

	parts_of(t, part);
	for (i = 0; i < PARTS; i++) {
		*part[i].memory = part[i].size ? berth_space_get_memory(sp, part[i].size) : NULL;
		all &= *part[i].memory || !part[i].size;
	}
	if (!all)
		tables_put(sp, t);
	return all;
}

static void copy_records(struct berth_space *sp, struct tables *t)
{
	uint32_t i;

	if (sp->sock)
		memcpy(t->sock, sp->sock, sp->room.sockets * sizeof(*t->sock));
	for (i = sp->room.sockets; i < t->room.sockets; i++)
		t->sock[i].timer.prev = BERTH_WHEEL_OUT;
	if (sp->dest)
		memcpy(t->dest, sp->dest, sp->room.destinations * sizeof(*t->dest));
	if (sp->share)
		memcpy(t->share, sp->share, sp->room.shares * SHARE_RECORDS * sizeof(*t->share));
	if (sp->shared)
		memcpy(t->shared, sp->shared, BERTH_PORTSET_LEAVES * sizeof(uint64_t));
	/* Lanes are hints that a connect builds again. */
	for (i = 0; i < t->room.destinations; i++)
		t->dest[i].lane = BERTH_SPACE_NO_LANE;
	for (i = 0; i < t->lanes; i++) {
		t->lane[i].dest = BERTH_SPACE_NONE;
		t->lane[i].free.stock = &sp->stock;
	}
}

static void bags_back(struct berth_space *sp)
{
	uint32_t i;

	for (i = 0; i < sp->locals; i++) {
		struct berth_space_local *l = sp->local[i];

		if (l->idle.bag)
			berth_draw_return(&l->idle);
		if (l->open && l->open->bag)
			berth_draw_return(l->open);
	}
}

/* Takes new tables into use, and gives the old ones back. */
static void tables_use(struct berth_space *sp, struct tables *t)
{
	struct tables old = tables_of(sp);
	uint32_t i;

	berth_space_forget_recent(sp);
	copy_records(sp, t);
	bags_back(sp);
	sp->sock = t->sock;
	sp->dest = t->dest;
	sp->share = t->share;
	sp->lane = t->lane;
	sp->socks.head = t->head[0];
	sp->dests.head = t->head[1];
	sp->shares.head = t->head[2];
	sp->shared = t->shared;
	sp->bags = t->bags;
	sp->room = t->room;
	sp->lanes = t->lanes;
	sp->lanes_used = 0;
	sp->bags_count = t->bags_count;
	sp->bag_room = t->bag_room;
	sp->socks.room = t->room.sockets;
	sp->dests.room = t->room.destinations;
	sp->shares.room = t->room.shares * SHARE_RECORDS;
	sp->socks.heads = heads_for(sp->socks.room);
	sp->dests.heads = heads_for(sp->dests.room);
	sp->shares.heads = heads_for(sp->shares.room);
	sp->stock.bags = NULL;
	for (i = 0; i < t->bags_count; i++) {
		bag_at(t, i)->room = t->bag_room;
		bag_at(t, i)->next = sp->stock.bags;
		sp->stock.bags = bag_at(t, i);
	}
	tables_put(sp, &old);
	berth_space_rehash(sp);
	berth_space_settle_all(sp);
}

#define COUNT_BYTES (BERTH_PORTS * sizeof(uint16_t))

/* What an address needs as soon as there are sockets. */
static int local_room(struct berth_space *sp, struct berth_space_local *l)
{
	if (!l->count)
		l->count = berth_space_get_memory(sp, COUNT_BYTES);
	if (l->count && !l->open && !l->wild) {
		l->open = berth_space_get_memory(sp, sizeof(*l->open));
		if (l->open)
			l->open->stock = &sp->stock;
	}
	return l->count && (l->open || l->wild) ? 0 : BERTH_SPACE_E_MEMORY;
}

static void local_room_back(struct berth_space *sp, struct berth_space_local *l)
{
	berth_space_put_memory(sp, l->count, COUNT_BYTES);
	berth_space_put_memory(sp, l->open, sizeof(*l->open));
	l->count = NULL;
	l->open = NULL;
}

static void local_free(struct berth_space *sp, struct berth_space_local *l)
{
	local_room_back(sp, l);
	berth_space_put_memory(sp, l->order, sizeof(*l->order));
	berth_space_put_memory(sp, l, sizeof(*l));
}

static uint32_t greater(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

int berth_space_make_room(struct berth_space *sp, const struct berth_space_room *room)
{
	struct tables t = { .room = { greater(room->sockets, sp->room.sockets),
				      greater(room->destinations, sp->room.destinations),
				      greater(room->shares, sp->room.shares) } };
	uint32_t i;

	if (t.room.sockets > MOST_SOCKETS || t.room.destinations > MOST_SOCKETS ||
	    t.room.shares > MOST_SOCKETS)
		return BERTH_SPACE_E_INVALID;
	plan(sp, &t);
	if (!tables_get(sp, &t))
		return BERTH_SPACE_E_MEMORY;
	for (i = 0; t.room.sockets && i < sp->locals; i++)
		if (local_room(sp, sp->local[i])) {
			/* All addresses have theirs or none has, and so none had. */
			for (i = 0; i < sp->locals; i++)
				local_room_back(sp, sp->local[i]);
			tables_put(sp, &t);
			return BERTH_SPACE_E_MEMORY;
		}
	tables_use(sp, &t);
	return 0;
}

void berth_space_free(struct berth_space *sp)
{
	struct tables t;
	uint32_t i;

	if (!sp)
		return;
	t = tables_of(sp);
	tables_put(sp, &t);
	for (i = 0; i < sp->locals; i++)
		local_free(sp, sp->local[i]);
	berth_space_put_memory(sp, sp->withheld, BERTH_PORTSET_LEAVES * sizeof(uint64_t));
	berth_space_put_memory(sp, sp->local, local_table(sp));
	berth_space_put_memory(sp, sp->owner, owner_table(sp));
	berth_space_policy_end(sp);
	sp->memory.put(sp->memory.context, sp, sizeof(*sp));
}

size_t berth_space_bytes(const struct berth_space *sp)
{
	return sp->bytes;
}

uint32_t berth_space_zone(const struct berth_space *sp)
{
	return sp->config.zone;
}

uint8_t berth_space_protocol(const struct berth_space *sp)
{
	return sp->config.protocol;
}

bool berth_space_is_wild(const struct berth_address *a)
{
	static const struct berth_address zero;

	return !memcmp(a->byte + (berth_address_is_v4(a) ? 12 : 0), zero.byte,
		       berth_address_is_v4(a) ? 4 : 16);
}

/* How many sockets the addresses of a family have on a port, one that shares with nobody as one. */
static uint32_t on_port(const struct berth_space *sp, uint8_t family, uint32_t port)
{
	uint32_t i, n, sum = 0;

	for (i = 0; i < sp->locals; i++) {
		const struct berth_space_local *l = sp->local[i];

		n = l->family == family && !l->wild && l->count ? l->count[port] : 0;
		sum += n >= BERTH_SPACE_FIRM_RESTS ? 1 : n;
	}
	return sum;
}

/* True where no port of a family has more sockets than a wildcard counts. */
static bool family_fits(const struct berth_space *sp, uint8_t family)
{
	uint32_t port;

	for (port = 1; sp->room.sockets > BERTH_SPACE_MOST && port < BERTH_PORTS; port++)
		if (on_port(sp, family, port) > BERTH_SPACE_MOST)
			return false;
	return true;
}

/* A wildcard that comes late: who is on the ports of its family already. */
static void count_family(struct berth_space *sp, struct berth_space_local *w)
{
	uint32_t port;

	for (port = 0; w->count && port < BERTH_PORTS; port++)
		w->count[port] = (uint16_t)on_port(sp, w->family, port);
}

static void cover_family(struct berth_space *sp, uint8_t family)
{
	uint32_t i;

	for (i = 0; sp->wild[family] != 0xffff && i < sp->locals; i++)
		if (sp->local[i]->family == family && !sp->local[i]->wild)
			sp->local[i]->cover = sp->local[sp->wild[family]];
}

int berth_space_add_local(struct berth_space *sp, const struct berth_address *address,
			  uint16_t *out_local)
{
	struct berth_space_local *l;
	uint32_t i;

	for (i = 0; i < sp->locals; i++)
		if (!memcmp(&sp->local[i]->address, address, sizeof(*address)))
			return BERTH_SPACE_E_INVALID;
	if (sp->locals == sp->config.addresses)
		return BERTH_SPACE_E_INVALID;
	if (berth_space_is_wild(address) && !family_fits(sp, berth_address_is_v4(address)))
		return BERTH_SPACE_E_INVALID;
	l = berth_space_get_memory(sp, sizeof(*l));
	if (!l)
		return BERTH_SPACE_E_MEMORY;
	l->address = *address;
	l->wild = berth_space_is_wild(address);
	l->family = berth_address_is_v4(address);
	l->idle.stock = &sp->stock;
	if (sp->config.policy == BERTH_SPACE_LONGEST_IDLE)
		l->order = berth_space_get_memory(sp, sizeof(*l->order));
	if ((sp->config.policy == BERTH_SPACE_LONGEST_IDLE && !l->order) ||
	    (sp->room.sockets && local_room(sp, l))) {
		local_free(sp, l);
		return BERTH_SPACE_E_MEMORY;
	}
	sp->local[sp->locals] = l;
	if (l->wild)
		sp->wild[l->family] = (uint16_t)sp->locals;
	sp->locals++;
	if (l->wild)
		count_family(sp, l);
	cover_family(sp, l->family);
	*out_local = (uint16_t)(sp->locals - 1);
	berth_space_settle_all(sp);
	return 0;
}

int berth_space_set_range(struct berth_space *sp, uint16_t first, uint16_t last)
{
	struct berth_space_config before = sp->config;
	struct tables t = { .room = sp->room };

	if (!first || first > last)
		return BERTH_SPACE_E_INVALID;
	sp->config.first = first;
	sp->config.last = last;
	measure(sp);
	plan(sp, &t);
	if (!sp->room.sockets) {
		berth_space_settle_all(sp);
		return 0;
	}
	if (!tables_get(sp, &t)) {
		sp->config = before;
		measure(sp);
		return BERTH_SPACE_E_MEMORY;
	}
	tables_use(sp, &t);
	return 0;
}

int berth_space_withhold(struct berth_space *sp, uint16_t first, uint16_t last, bool withhold)
{
	uint32_t port;

	if (!first || first > last)
		return BERTH_SPACE_E_INVALID;
	if (!sp->withheld)
		sp->withheld = berth_space_get_memory(sp, BERTH_PORTSET_LEAVES * sizeof(uint64_t));
	if (!sp->withheld)
		return BERTH_SPACE_E_MEMORY;
	for (port = first; port <= last; port++) {
		uint64_t bit = 1ULL << (port & 63);

		if (withhold)
			sp->withheld[port >> 6] |= bit;
		else
			sp->withheld[port >> 6] &= ~bit;
	}
	measure(sp);
	berth_space_settle_all(sp);
	return 0;
}

void berth_space_rekey(struct berth_space *sp, const uint64_t key[4])
{
	memcpy(sp->config.key, key, sizeof(sp->config.key));
	berth_space_forget_offsets(sp);
}

int berth_space_set_owner(struct berth_space *sp, uint16_t owner, uint32_t quota, unsigned rights)
{
	if (owner >= sp->config.owners)
		return BERTH_SPACE_E_INVALID;
	sp->owner[owner].limit = quota ? quota : UINT32_MAX;
	sp->owner[owner].rights = rights;
	return 0;
}

void berth_space_set_limit(struct berth_space *sp, uint16_t owner, uint32_t limit)
{
	sp->owner[owner].limit = limit;
}

uint32_t berth_space_owned(const struct berth_space *sp, uint16_t owner)
{
	return owner < sp->config.owners ? sp->owner[owner].used : 0;
}

/* 1 where the recent destination has no pair any more, else 0. */
static uint32_t lingers(const struct berth_space *sp)
{
	return sp->recent.where && !sp->dest[sp->recent.dest].pairs;
}

int berth_space_count(const struct berth_space *sp, uint16_t local,
		      struct berth_space_counts *out_counts)
{
	struct berth_space_local *l;

	if (local >= sp->locals)
		return BERTH_SPACE_E_NOT_LOCAL;
	l = sp->local[local];
	*out_counts = (struct berth_space_counts){
		.sockets = sp->socks.used,
		.resting = sp->resting,
		.destinations = sp->dests.used - lingers(sp),
		.crowded = sp->lanes_used,
		.free = l->idle.set.count,
		.open = l->open ? berth_space_choice_of(sp, l)->set.count : 0,
	};
	return 0;
}

uint32_t berth_space_headroom(const struct berth_space *sp, uint16_t local,
			      const struct berth_address *remote, uint16_t remote_port)
{
	const struct berth_portset *open;
	uint32_t dest, w, n = 0;
	uint64_t x;

	if (local >= sp->locals || sp->local[local]->wild || !sp->local[local]->open)
		return 0;
	open = &berth_space_choice_of(sp, sp->local[local])->set;
	dest = berth_space_dest_find(sp, local, remote, remote_port);
	if (dest == BERTH_SPACE_NONE || sp->alone)
		return open->count -
		       (!memcmp(remote, &sp->local[local]->address, sizeof(*remote)) &&
			berth_portset_has(open, remote_port));
	if (sp->dest[dest].lane != BERTH_SPACE_NO_LANE)
		return sp->lane[sp->dest[dest].lane].free.set.count;
	for (w = 0; w < BERTH_PORTSET_LEAVES; w++)
		for (x = open->leaf[w]; x; x &= x - 1)
			n += berth_space_usable(sp, dest, (uint16_t)(w << 6 | berth_ctz64(x)));
	return n;
}
