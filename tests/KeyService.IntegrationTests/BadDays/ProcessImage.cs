using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>One mapping of a process with something in memory, from smaps.</summary>
/// <param name="Name">File, "[heap]", "[stack]", or empty for anonymous memory.</param>
/// <param name="IsArena">Locked in memory and left out of core dumps: what SecretArena maps, and nothing else.</param>
internal sealed record Mapping(long Start, long End, string Name, bool IsArena, long ResidentKilobytes, long SwappedKilobytes);

/// <summary>Where a secret was found.</summary>
internal sealed record Trace(Needle Needle, Mapping Mapping, long Address)
{
    public override string ToString() =>
        $"{Needle.Secret} as {Needle.Form} at {Address:x} in {(Mapping.IsArena ? "the arena" : Mapping.Name.Length > 0 ? Mapping.Name : "anonymous memory")}";
}

/// <summary>The memory of another process, as root sees it through /proc, taken at one moment and searched at leisure.</summary>
internal sealed class ProcessImage
{
    private const int PieceBytes = 1 << 20;
    private readonly List<(Mapping Mapping, long Address, byte[] Bytes)> pieces = [];

    private ProcessImage(IReadOnlyList<Mapping> mappings) => Mappings = mappings;

    /// <summary>Readable mappings with resident pages.</summary>
    public IReadOnlyList<Mapping> Mappings { get; }

    /// <summary>Copies what a process has in memory; the test ends here where /proc does not let us.</summary>
    public static ProcessImage Of(int process)
    {
        Infrastructure.Require(MayRead(process), "reading another process's memory (root with CAP_SYS_PTRACE)");
        using var memory = File.OpenHandle($"/proc/{process}/mem");
        var image = new ProcessImage(MappingsOf(process));
        foreach (var mapping in image.Mappings)
        {
            for (var at = mapping.Start; at < mapping.End; at += PieceBytes)
            {
                // Overlapping by what a needle needs, so that none is cut in two.
                var bytes = new byte[Math.Min(PieceBytes + Needle.Length, mapping.End - at)];
                var read = Read(memory, bytes, at);
                if (bytes.AsSpan(0, read).ContainsAnyExcept((byte)0))
                {
                    image.pieces.Add((mapping, at, bytes[..read]));
                }
            }
        }
        Assert.NotEmpty(image.pieces);
        return image;
    }

    /// <summary>Every place where one of the needles stands.</summary>
    public List<Trace> Find(Haystack haystack) =>
    [
        .. from piece in pieces
           from found in haystack.Find(piece.Bytes)
           where found.Offset < PieceBytes
           select new Trace(found.Needle, piece.Mapping, piece.Address + found.Offset),
    ];

    private static bool MayRead(int process)
    {
        try
        {
            using var memory = File.OpenHandle($"/proc/{process}/mem");
            return true;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static List<Mapping> MappingsOf(int process)
    {
        var mappings = new List<Mapping>();
        Mapping? current = null;
        var readable = false;
        foreach (var line in File.ReadLines($"/proc/{process}/smaps"))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words[0] is "Rss:" && current is not null)
            {
                current = current with { ResidentKilobytes = long.Parse(words[1], CultureInfo.InvariantCulture) };
            }
            else if (words[0] is "Swap:" && current is not null)
            {
                current = current with { SwappedKilobytes = long.Parse(words[1], CultureInfo.InvariantCulture) };
            }
            else if (words[0] is "VmFlags:" && current is not null)
            {
                if (readable && current.ResidentKilobytes > 0)
                {
                    mappings.Add(current with { IsArena = words.Contains("lo") && words.Contains("dd") });
                }
                current = null;
            }
            else if (words[0].Contains('-', StringComparison.Ordinal) && words.Length >= 5)
            {
                var range = words[0].Split('-');
                readable = words[1][0] == 'r';
                current = new Mapping(
                    Hexadecimal(range[0]), Hexadecimal(range[1]), words.Length > 5 ? words[5] : "", IsArena: false, ResidentKilobytes: 0, SwappedKilobytes: 0);
            }
        }
        // The kernel's own pages in every process cannot be read.
        mappings.RemoveAll(mapping => mapping.Name is "[vvar]" or "[vsyscall]" or "[vvar_vclock]");
        return mappings;
    }

    private static int Read(SafeFileHandle memory, Span<byte> buffer, long address)
    {
        try
        {
            return RandomAccess.Read(memory, buffer, address);
        }
        catch (IOException)
        {
            // Gone since smaps was read, or no memory behind it (a device).
            return 0;
        }
    }

    private static long Hexadecimal(string text) => long.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
