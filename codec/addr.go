package codec

func encodeAddr(r Record) ([]byte, error) { return []byte(r.Instance.Addr), nil }
