package tablesim

import (
	"strconv"

	"federation-agent/internal/table"
)

// Bill is what calls cost on demand, in request units, as DynamoDB's guide has it: a write is 1 for each KB of the larger
// of the item before and behind it, also one that is refused; a consistent read is 1 for each 4 KB, one of the index a
// half; the index is billed on its own, once if an entry is made, changed or removed. A unit of writing has the list price
// of 0.625 USD a million in us-east-1, one of reading 0.125.
type Bill struct {
	Calls         int
	Reads         float64
	Writes, Index int
}

// USD is the list price.
func (b Bill) USD() float64 {
	const perWrite, perRead = 0.625e-6, 0.125e-6
	return float64(b.Writes+b.Index)*perWrite + b.Reads*perRead
}

func (b Bill) add(c Bill) Bill {
	return Bill{b.Calls + c.Calls, b.Reads + c.Reads, b.Writes + c.Writes, b.Index + c.Index}
}

// Bill is what the calls cost that which chooses, from the call with this number on.
func (m *Model) Bill(from int, which func(Call) bool) Bill {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all Bill
	for n, c := range m.calls[from:] {
		if which(c) {
			all = all.add(m.bills[from+n])
		}
	}
	return all
}

// charge is what the last call costs. It is called with mu.
func (m *Model) charge(b Bill) { m.bills[len(m.bills)-1] = m.bills[len(m.bills)-1].add(b) }

// units is how many of size bytes there are, at least one.
func units(bytes, size int) int { return max(1, (bytes+size-1)/size) }

// sizeOf is what an item counts: the names and values of its attributes in bytes, a number a byte for two digits and one.
func sizeOf(key table.Key, item table.Item) int {
	if item == nil {
		return 0
	}
	bytes := len(table.PartitionKey) + len(key.Partition) + len(table.SortKey) + len(key.Sort)
	for name, value := range item {
		bytes += len(name)
		value.Each(
			func(s string) { bytes += len(s) },
			func(n int64) { bytes += len(strconv.FormatInt(n, 10))/2 + 2 },
			func(b []byte) { bytes += len(b) },
		)
	}
	return bytes
}

// billOfRead is for items of these bytes.
func billOfRead(bytes int, index bool) Bill {
	read := float64(units(bytes, 4<<10))
	if index {
		read /= 2
	}
	return Bill{Reads: read}
}

func billOfWrite(key table.Key, before, after table.Item) Bill {
	size := units(max(sizeOf(key, before), sizeOf(key, after)), 1<<10)
	b := Bill{Writes: size}
	if before[table.Open] != (table.Value{}) || after[table.Open] != (table.Value{}) {
		b.Index = size
	}
	return b
}
