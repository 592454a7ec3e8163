package report

// What tables take when they are full, about, bytes. Those of a Report are
// mostly servers and their clients.
const (
	reportCost  = 80 << 20
	historyCost = 20 << 20
	builderCost = 28 << 20
	// leastKept is how many entries a table may have in any case.
	leastKept = 64
)

// ReportShare is how the memory for what is remembered of connections that
// ended is best divided between a Report, a History and n Builders.
func ReportShare(memory int64, n int) (report, history, builder int64) {
	all := int64(reportCost + historyCost + n*builderCost)
	part := func(cost int64) int64 { return int64(float64(memory) * float64(cost) / float64(all)) }
	return part(reportCost), part(historyCost), part(builderCost)
}

// share returns the limit of a table where the tables that cost so much with
// their own limits are to take no more than memory.
func share(limit int, memory, cost int64) int {
	if memory >= cost {
		return limit
	}
	return max(int(float64(limit)*float64(memory)/float64(cost)), leastKept)
}

// Within makes r keep less apart, so that it takes no more than about so many
// bytes. It is called before the first Add.
func (r *Report) Within(memory int64) {
	r.servers.limit = share(maxServers, memory, reportCost)
	r.keys.limit = share(maxKeys, memory, reportCost)
	r.ticketKeys.limit = share(maxTicketKey, memory, reportCost)
	r.exposed.limit = share(maxExposed, memory, reportCost)
	r.maxClients = share(maxAllClients, memory, reportCost)
}

// Within makes h remember less, so that it takes no more than about so many
// bytes. It is called before the first Join.
func (h *History) Within(memory int64) {
	h.sessions.limit = share(maxSessions, memory, historyCost)
	h.ephemeral.limit = share(maxEphemeral, memory, historyCost)
	h.tickets.limit = share(maxTicketKey, memory, historyCost)
}

// Within makes b remember less, so that it takes no more than about so many
// bytes.
func (b *Builder) Within(memory int64) {
	b.maxOffers = share(maxOffers, memory, builderCost)
	b.maxCerts = share(maxCertificates, memory, builderCost)
	b.maxNames = share(maxNames, memory, builderCost)
	b.maxSpare = share(maxSpare, memory, builderCost)
}
