package exchange

// Parts are one message in pieces that follow one another. What is in a list stays where it is: a batch of documents is
// not held a second time only to be one piece with its frame.
type Parts [][]byte

// listed puts a list's elements between what stands before its opening bracket and what stands after its closing one.
func listed(head payload, elements [][]byte, tail payload) Parts {
	comma := []byte(",")
	parts := make(Parts, 0, 2*len(elements)+1)
	parts = append(parts, append(head.dst, '['))
	for i, element := range elements {
		if i > 0 {
			parts = append(parts, comma)
		}
		parts = append(parts, element)
	}
	return append(parts, tail.end())
}
