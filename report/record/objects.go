package record

import "pfsight/report/schema"

// objectReaders returns the readers of an object's fields by their names.
func objectReaders[T any](object string, fields []schema.Field[T]) map[string]reader[T] {
	out := map[string]reader[T]{}
	for i := range fields {
		out[fields[i].Name] = newReader(&fields[i], object+"."+fields[i].Name)
	}
	return out
}

// readShared reads an object, or finds it by its JSON in known, which holds up
// to limit objects. The JSON may end at the first closing brace only in
// appearance, because a string can hold a brace. But no whole object is the
// beginning of another one, so a piece of JSON that is found is a whole object.
func readShared[T any](p *Parser, known *map[string]made[*T], limit int, fields map[string]reader[T], to **T) bool {
	start := p.i
	if end := p.closing('}'); end > 0 {
		if m, ok := (*known)[string(p.b[start:end])]; ok {
			*to, p.i = m.v, end
			p.note(m.note)
			return true
		}
	}
	v := new(T)
	before := p.notes
	p.notes = ""
	if !readObject(p, fields, v) {
		return false
	}
	m := made[*T]{v, p.notes}
	p.notes = before
	p.note(m.note)
	key := p.b[start:p.i]
	if old, ok := (*known)[string(key)]; ok {
		m = old
	} else if len(*known) < limit && p.room(len(key)) {
		(*known)[string(key)] = m
	}
	*to = m.v
	return true
}

// readObject reads the fields of an object. It skips those that are not known.
func readObject[T any](p *Parser, fields map[string]reader[T], v *T) bool {
	if !p.open('{') {
		return false
	}
	for more := p.more('}'); more; more = p.next('}') {
		key, ok := p.key()
		if !ok {
			return false
		}
		if p.null() {
			continue
		}
		if read := fields[string(key)]; read != nil {
			ok = read(p, v)
		} else {
			ok = p.skip()
		}
		if !ok {
			return false
		}
	}
	return !p.bad
}
