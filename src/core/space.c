/* SPDX-License-Identifier: BSD-2-Clause */
/* A port space from its making to its end: memory, addresses, owners, counts. */
#include "src/core/space_fast.h"

#include <string.h>

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
	berth_space_measure(sp);
	*out_space = sp;
	return 0;
}

void berth_space_local_free(struct berth_space *sp, struct berth_space_local *l)
{
	berth_space_local_room_back(sp, l);
	berth_space_put_memory(sp, l->order, sizeof(*l->order));
	berth_space_put_memory(sp, l, sizeof(*l));
}

void berth_space_free(struct berth_space *sp)
{
	struct berth_space_tables t;
	uint32_t i;

	if (!sp)
		return;
	t = berth_space_tables_of(sp);
	berth_space_tables_free(sp, &t);
	for (i = 0; i < sp->locals; i++)
		berth_space_local_free(sp, sp->local[i]);
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

int berth_space_local_new(struct berth_space *sp, const struct berth_address *address,
			  struct berth_space_local **out_local)
{
	bool order = sp->config.policy == BERTH_SPACE_LONGEST_IDLE;
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
	if (order)
		l->order = berth_space_get_memory(sp, sizeof(*l->order));
	if ((order && !l->order) || (sp->room.sockets && berth_space_local_room(sp, l))) {
		berth_space_local_free(sp, l);
		return BERTH_SPACE_E_MEMORY;
	}
	*out_local = l;
	return 0;
}

uint16_t berth_space_local_use(struct berth_space *sp, struct berth_space_local *l)
{
	uint16_t number = (uint16_t)sp->locals++;

	sp->local[number] = l;
	if (l->wild) {
		sp->wild[l->family] = number;
		count_family(sp, l);
	}
	cover_family(sp, l->family);
	berth_space_settle_all(sp);
	return number;
}

int berth_space_add_local(struct berth_space *sp, const struct berth_address *address,
			  uint16_t *out_local)
{
	struct berth_space_local *l;
	int error = berth_space_local_new(sp, address, &l);

	if (!error)
		*out_local = berth_space_local_use(sp, l);
	return error;
}

int berth_space_withhold_room(struct berth_space *sp, uint16_t first, uint16_t last)
{
	if (!first || first > last)
		return BERTH_SPACE_E_INVALID;
	if (!sp->withheld)
		sp->withheld = berth_space_get_memory(sp, BERTH_PORTSET_LEAVES * sizeof(uint64_t));
	return sp->withheld ? 0 : BERTH_SPACE_E_MEMORY;
}

int berth_space_withhold(struct berth_space *sp, uint16_t first, uint16_t last, bool withhold)
{
	uint32_t port;
	int error = berth_space_withhold_room(sp, first, last);

	if (error)
		return error;
	for (port = first; port <= last; port++) {
		uint64_t bit = 1ULL << (port & 63);

		if (withhold)
			sp->withheld[port >> 6] |= bit;
		else
			sp->withheld[port >> 6] &= ~bit;
	}
	berth_space_measure(sp);
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
