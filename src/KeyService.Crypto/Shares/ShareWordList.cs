using System.Collections.Frozen;

namespace KeyService.Crypto.Shares;

/// <summary>The 1,024 words of SLIP-39: four to eight letters, told apart by their first four, no two alike to the eye or the ear.</summary>
public static class ShareWordList
{
    /// <summary>Words.</summary>
    public const int Count = 1024;

    /// <summary>Letters by which a word is told from every other.</summary>
    public const int DistinctLength = 4;

    private static readonly string[] Words = Load();
    private static readonly FrozenDictionary<string, ushort>.AlternateLookup<ReadOnlySpan<char>> Whole =
        Words.Select((word, number) => (word, number)).ToFrozenDictionary(each => each.word, each => (ushort)each.number, StringComparer.Ordinal)
            .GetAlternateLookup<ReadOnlySpan<char>>();

    private static readonly FrozenDictionary<string, ushort>.AlternateLookup<ReadOnlySpan<char>> Beginnings =
        Words.Select((word, number) => (word, number)).ToFrozenDictionary(each => each.word[..DistinctLength], each => (ushort)each.number, StringComparer.Ordinal)
            .GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>A word by its number, 0 to 1,023.</summary>
    public static string At(int number) => Words[number];

    /// <summary>The number of a word: whole, or its first four letters; small letters.</summary>
    public static bool TryFind(ReadOnlySpan<char> word, out ushort number) =>
        Whole.TryGetValue(word, out number) || (word.Length == DistinctLength && Beginnings.TryGetValue(word, out number));

    private static string[] Load()
    {
        using var reader = new StreamReader(typeof(ShareWordList).Assembly.GetManifestResourceStream("KeyService.Crypto.Shares.words.txt")!);
        string[] words = [.. Lines(reader)];
        return words.Length == Count ? words : throw new InvalidOperationException("The list of words is not whole.");
    }

    private static IEnumerable<string> Lines(StreamReader reader)
    {
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }
}
