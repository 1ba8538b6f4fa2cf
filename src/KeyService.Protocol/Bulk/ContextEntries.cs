namespace KeyService.Protocol.Bulk;

/// <summary>
/// The entries of a context as they came: UTF-8 bytes in the request's memory, nothing checked. Reading stops after one
/// entry more than a context may have, so that whoever checks sees that there are too many.
/// </summary>
public readonly ref struct ContextEntries
{
    private readonly ReadOnlySpan<byte> _message;
    private readonly ReadOnlySpan<EntryPlace> _places;

    internal ContextEntries(ReadOnlySpan<byte> message, ReadOnlySpan<EntryPlace> places)
    {
        _message = message;
        _places = places;
    }

    public int Count => _places.Length;

    public ReadOnlySpan<byte> Key(int index) => _places[index].Key.Of(_message);

    public ReadOnlySpan<byte> Value(int index) => _places[index].Value.Of(_message);
}

internal readonly record struct EntryPlace(Range32 Key, Range32 Value);
