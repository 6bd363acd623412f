package adsum

// DecodeCache lets the fuzz test reach the decoder of cache files.
func DecodeCache(data []byte) ([]*Instance, error) {
	file, err := decodeCache(data)
	if err != nil {
		return nil, err
	}
	return file.Instances, nil
}
