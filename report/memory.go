package report

// Approximate size of the full tables, bytes. Most of a Report's memory is
// servers and their clients.
const (
	reportCost  = 80 << 20
	historyCost = 20 << 20
	builderCost = 28 << 20
	// leastKept is the lowest limit of a table, in entries.
	leastKept = 64
)

// ReportShare divides memory between a Report, a History and n Builders, in
// proportion to their full sizes. All values are in bytes.
func ReportShare(memory int64, n int) (report, history, builder int64) {
	all := int64(reportCost + historyCost + n*builderCost)
	part := func(cost int64) int64 { return int64(float64(memory) * float64(cost) / float64(all)) }
	return part(reportCost), part(historyCost), part(builderCost)
}

// share scales the limit of a table to memory. cost is the size of all tables
// at their default limits.
func share(limit int, memory, cost int64) int {
	if memory >= cost {
		return limit
	}
	return max(int(float64(limit)*float64(memory)/float64(cost)), leastKept)
}

// Within lowers the limits of r so that it takes at most about memory bytes.
// Call it before the first Add.
func (r *Report) Within(memory int64) {
	r.servers.limit = share(maxServers, memory, reportCost)
	r.keys.limit = share(maxKeys, memory, reportCost)
	r.ticketKeys.limit = share(maxTicketKey, memory, reportCost)
	r.exposed.limit = share(maxExposed, memory, reportCost)
	r.maxClients = share(maxAllClients, memory, reportCost)
}

// Within lowers the limits of h so that it takes at most about memory bytes.
// Call it before the first Join.
func (h *History) Within(memory int64) {
	h.sessions.limit = share(maxSessions, memory, historyCost)
	h.ephemeral.limit = share(maxEphemeral, memory, historyCost)
	h.tickets.limit = share(maxTicketKey, memory, historyCost)
}

// Within lowers the limits of b so that it takes at most about memory bytes.
func (b *Builder) Within(memory int64) {
	b.maxOffers = share(maxOffers, memory, builderCost)
	b.maxCerts = share(maxCertificates, memory, builderCost)
	b.maxNames = share(maxNames, memory, builderCost)
	b.maxSpare = share(maxSpare, memory, builderCost)
}
