namespace KeyService.Crypto.Shares;

/// <summary>
/// Finds the one word of a share that was misread or mistyped: the code of the checksum has distance four, so of a share with one wrong word there is one
/// right reading. With more of them wrong it finds none, or one that is not it: it is for asking a custodian to look again, never for going on.
/// </summary>
/// <param name="Position">Which word, from 0.</param>
/// <param name="Word">The number of the word that stands there in truth.</param>
public readonly record struct MistypedWord(int Position, ushort Word)
{
    // Where the bit stands that says which customization the checksum begins with.
    private const int FlagWord = 1;
    private const int FlagBit = 4;

    /// <summary>Null when the words are a share, or no single other word makes them one.</summary>
    /// <param name="words">As for <see cref="Share.TryParse"/>.</param>
    public static MistypedWord? Find(ReadOnlySpan<ushort> words)
    {
        var parses = Share.TryParse(words, out var share, out var fault);
        share?.Dispose();
        if (parses || fault != ShareFault.Checksum)
        {
            return null;
        }

        Span<ushort> tried = stackalloc ushort[words.Length];
        words.CopyTo(tried);
        MistypedWord? found = null;
        for (var position = 0; position < words.Length && found is null; position++)
        {
            for (var word = 0; word < ShareWordList.Count && found is null; word++)
            {
                tried[position] = (ushort)word;
                found = word != words[position] && ShareChecksum.Holds(tried, (tried[FlagWord] >> FlagBit & 1) != 0) ? new MistypedWord(position, (ushort)word) : null;
            }

            tried[position] = words[position];
        }

        tried.Clear();
        return found;
    }
}
