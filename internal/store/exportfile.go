package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
)

// An export's file: magic, CRC-32C of all that follows, length of the head, head (JSON), document. The files are
// not synced, so a power cut can leave any mixture of old bytes and none: the checksum covers everything.
const (
	exportMagic     = "FAEXPRT1"
	exportHeadStart = len(exportMagic) + 4 + 4
)

type exportHead struct {
	Key           ExportKey
	HasDocument   bool    `json:",omitempty"`
	NotExportable string  `json:",omitempty"`
	Checked       bool    `json:",omitempty"`
	Of            string  `json:",omitempty"`
	Shared        *Shared `json:",omitempty"`
}

// exportFileHead is what stands in the file before the document. So the document is not copied.
func exportFileHead(key ExportKey, export Export) ([]byte, error) {
	head, err := json.Marshal(exportHead{
		Key: key, HasDocument: export.Document != nil, NotExportable: export.NotExportable, Checked: export.Checked,
		Of: export.Of, Shared: export.Shared,
	})
	if err != nil {
		return nil, err
	}
	file := make([]byte, 0, exportHeadStart+len(head))
	file = append(file, exportMagic...)
	file = append(file, 0, 0, 0, 0)
	file = binary.BigEndian.AppendUint32(file, uint32(len(head)))
	file = append(file, head...)
	sum := crc32.Checksum(file[len(exportMagic)+4:], crcTable())
	binary.BigEndian.PutUint32(file[len(exportMagic):], crc32.Update(sum, crcTable(), export.Document))
	return file, nil
}

// decodeExport reads a file; the document lies in the file's bytes. It reports whether the file is as it was written.
func decodeExport(file []byte) (key ExportKey, export Export, whole bool) {
	if len(file) < exportHeadStart || !bytes.HasPrefix(file, []byte(exportMagic)) {
		return key, export, false
	}
	rest := file[len(exportMagic)+4:]
	if binary.BigEndian.Uint32(file[len(exportMagic):]) != crc32.Checksum(rest, crcTable()) {
		return key, export, false
	}
	length := int64(binary.BigEndian.Uint32(rest))
	rest = rest[4:]
	var head exportHead
	if length > int64(len(rest)) || json.Unmarshal(rest[:length], &head) != nil {
		return key, export, false
	}
	export.NotExportable, export.Checked, export.Of, export.Shared = head.NotExportable, head.Checked, head.Of, head.Shared
	document := rest[length:]
	if head.HasDocument {
		export.Document = document
	}
	return head.Key, export, head.HasDocument || len(document) == 0
}
