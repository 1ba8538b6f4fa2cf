using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text.Unicode;

namespace KeyService.Crypto;

/// <summary>
/// A context of which some values are given message by message: the row of a column, say. Keys and fixed values are encoded once; filling
/// the open values in costs a few copies and allocates nothing. What it gives is byte for byte what <see cref="EncryptionContext"/> would.
/// docs/spec/context.md.
/// </summary>
public sealed class ContextTemplate
{
    private const int LengthOfLength = 2;
    private readonly byte[][] _segments;

    private ContextTemplate(byte[][] segments) => _segments = segments;

    /// <summary>Values that are open.</summary>
    public int OpenCount => _segments.Length - 1;

    /// <summary>Makes a template.</summary>
    /// <param name="fixedPairs">Pairs that every context has.</param>
    /// <param name="openKeys">Keys whose values come later, in ascending byte order; none of them in <paramref name="fixedPairs"/>.</param>
    /// <exception cref="InvalidContextException">A rule of contexts is broken even with empty values.</exception>
    public static ContextTemplate Create(EncryptionContext fixedPairs, params ReadOnlySpan<string> openKeys)
    {
        ArgumentNullException.ThrowIfNull(fixedPairs);
        var open = new List<KeyValuePair<string, string>>();
        foreach (string key in openKeys)
        {
            open.Add(new(key, ""));
        }
        ReadOnlySpan<byte> encoded = fixedPairs.Merge(EncryptionContext.Create(open)).Encoded;
        var reader = new ContextDecoder(encoded);
        var segments = new List<byte[]>();
        int at = LengthOfLength, begun = 0, next = 0;
        for (int i = 0; i < reader.Count; i++)
        {
            reader.Next(out ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value);
            int valueAt = at + LengthOfLength + key.Length;
            at = valueAt + LengthOfLength + value.Length;
            if (next < open.Count && key.SequenceEqual(System.Text.Encoding.UTF8.GetBytes(open[next].Key)))
            {
                segments.Add(encoded[begun..valueAt].ToArray());
                begun = at;
                next++;
            }
        }
        if (next != open.Count)
        {
            throw new ArgumentException("The open keys are not in ascending byte order.", nameof(openKeys));
        }
        segments.Add(encoded[begun..].ToArray());
        return new ContextTemplate([.. segments]);
    }

    /// <summary>Begins a context in memory of the caller's.</summary>
    /// <param name="destination">4,096 bytes: <see cref="EncryptionContext.MaxEncodedLength"/>.</param>
    public Filler Begin(Span<byte> destination) => new(this, destination);

    /// <summary>Takes the open values one after another.</summary>
    public ref struct Filler
    {
        private readonly ContextTemplate _template;
        private readonly Span<byte> _destination;
        private int _next;
        private int _used;

        internal Filler(ContextTemplate template, Span<byte> destination)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(destination.Length, EncryptionContext.MaxEncodedLength, nameof(destination));
            _template = template;
            _destination = destination[..EncryptionContext.MaxEncodedLength];
        }

        /// <summary>The next value, as text.</summary>
        /// <exception cref="InvalidContextException">Not Unicode text, too long, or with U+0000 or U+FFFD.</exception>
        public void Add(ReadOnlySpan<char> value)
        {
            Span<byte> room = Room();
            OperationStatus status = Utf8.FromUtf16(value, room, out _, out int length, replaceInvalidSequences: false);
            if (status is OperationStatus.InvalidData or OperationStatus.NeedMoreData)
            {
                throw new InvalidContextException("A context value has a lone surrogate: it is not Unicode text.");
            }
            if (status == OperationStatus.DestinationTooSmall)
            {
                throw TooLong();
            }
            if (ContextText.HasForbidden(room[..length]))
            {
                throw new InvalidContextException("A context value holds U+0000 or U+FFFD, which are refused.");
            }
            Take(length);
        }

        /// <summary>The next value: a number, a UUID, a date, in the invariant form of <paramref name="format"/>, which is printable ASCII.</summary>
        /// <exception cref="InvalidContextException">The context becomes too long.</exception>
        public void Add<T>(T value, ReadOnlySpan<char> format = default)
            where T : struct, IUtf8SpanFormattable
        {
            if (!value.TryFormat(Room(), out int length, format, CultureInfo.InvariantCulture))
            {
                throw TooLong();
            }
            Take(length);
        }

        /// <summary>The whole context, once every open value was given.</summary>
        public CanonicalContext Finish()
        {
            if (_next != _template.OpenCount)
            {
                throw new InvalidOperationException($"{_template.OpenCount - _next} values of the context were not given.");
            }
            Append(_template._segments[_next]);
            return new CanonicalContext(_destination[.._used]);
        }

        // Where the next value may stand, after the segment before it and its length.
        private Span<byte> Room()
        {
            if (_next == _template.OpenCount)
            {
                throw new InvalidOperationException("The context has no further open value.");
            }
            Append(_template._segments[_next]);
            Span<byte> room = _destination[_used..];
            return room.Length < LengthOfLength
                ? throw TooLong()
                : room.Slice(LengthOfLength, Math.Min(room.Length - LengthOfLength, EncryptionContext.MaxValueLength));
        }

        private void Take(int length)
        {
            BinaryPrimitives.WriteUInt16BigEndian(_destination[_used..], (ushort)length);
            _used += LengthOfLength + length;
            _next++;
        }

        private void Append(byte[] segment)
        {
            if (!segment.AsSpan().TryCopyTo(_destination[_used..]))
            {
                throw TooLong();
            }
            _used += segment.Length;
        }

        private static InvalidContextException TooLong() =>
            new("A context value has at most 1,024 bytes of UTF-8, and a context at most 4,096 bytes encoded.");
    }
}
