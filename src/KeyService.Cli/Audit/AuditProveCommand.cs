using System.CommandLine;
using System.Globalization;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Crypto.Logs;

namespace KeyService.Cli.Audit;

/// <summary><c>keyservice audit prove</c>: that a record stands in the log, by the service or out of an export.</summary>
internal static class AuditProveCommand
{
    private static readonly Argument<string> Place = new("SLOT/SEQUENCE") { Description = "The record, as audit tail and audit search show it (0/17)" };

    private static readonly Option<string> Output = new("--output", "-o") { Description = "The proof to be written", HelpName = "FILE", Required = true };

    private static readonly Option<string?> Directory = new("--directory")
    {
        Description = "Also writes the proof that the directory log commits to it", HelpName = "FILE",
    };

    private static readonly Option<string?> Export = new("--export") { Description = "Takes it out of an export instead; needs no service", HelpName = "DIR" };

    private static readonly Option<bool> Force = new("--force") { Description = "Replace files that exist" };

    public static Command Create() => new Command("prove", "Write a proof that a record stands in the audit log") { Place, Output, Directory, Export, Force }.WithNotes("""
        The proof holds the record itself and a signed checkpoint (C2SP tlog-proof). Whoever has the public keys checks it with
        keyservice audit verify-proof, or with another tool. Witnesses cosign the directory log: with --directory their word counts too.
        """).Runs(async run =>
    {
        var (slot, sequence) = ParsePlace(run.Get(Place));
        var (record, directory) = run.Get(Export) is { } export ? OfExport(export, slot, sequence) : await OfServiceAsync(run, slot, sequence).ConfigureAwait(false);
        Write(run.Required(Output), record, run.Get(Force));
        if (run.Get(Directory) is { } second)
        {
            Write(second, directory, run.Get(Force));
        }
        run.Report.Write(new Record
        {
            ["operation"] = "audit-prove", ["record"] = run.Get(Place), ["proof"] = run.Required(Output), ["directory_proof"] = run.Get(Directory),
        });
    });

    private static (uint Slot, long Sequence) ParsePlace(string text)
    {
        var parts = text.Split('/');
        return parts.Length == 2 && uint.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var slot) && slot <= int.MaxValue
            && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var sequence)
            ? (slot, sequence)
            : throw CliError.Usage($"\"{text}\" names no record.", "Write SLOT/SEQUENCE as audit tail and audit search show it, for example 0/17.");
    }

    private static async Task<(byte[] Record, byte[] Directory)> OfServiceAsync(Invocation run, uint slot, long sequence)
    {
        using var client = run.Connect();
        var answer = await client.Audit.ProveAsync((int)slot, sequence, run.Cancellation).ConfigureAwait(false);
        return (answer.Proof.ToByteArray(), answer.DirectoryProof.ToByteArray());
    }

    // Of the checkpoints that the export ends at. What is proven is not verified here: the proof is.
    private static (byte[] Record, byte[] Directory) OfExport(string path, uint slot, long sequence)
    {
        var files = ExportFolder.Open(path);
        try
        {
            var (log, size) = Checkpoint(files, ExportFiles.Slot(slot));
            var record = Entry(files, ExportFiles.Slot(slot), sequence, size);
            var (above, entries) = Checkpoint(files, ExportFiles.Directory);
            var (place, entry) = LastEntryOf(files, slot, size, entries);
            return (Prove(files, ExportFiles.Slot(slot), record, sequence, size, log), Prove(files, ExportFiles.Directory, entry, place, entries, above));
        }
        catch (InvalidDataException e)
        {
            throw new CliError(
                ExitCode.Conflict, "NOT_FOUND", e.Message, "Name a record that the export holds. Of one that begins later (--since) proofs come from the service.", e);
        }
    }

    private static byte[] Prove(ExportFiles files, string folder, byte[] entry, long place, long size, SignedNote note) => new InclusionProofFile(
        entry, place, MerkleProof.Inclusion(place, size, new TileNodes(tile => files.Read($"{folder}/{tile}"), size).Node), note).ToArray();

    private static (SignedNote Note, long Size) Checkpoint(ExportFiles files, string folder) =>
        files.Read($"{folder}/{ExportFiles.Checkpoint}") is { } bytes && SignedNote.TryParse(bytes, out var note) && Crypto.Logs.Checkpoint.TryParse(note!.Text, out var checkpoint)
            ? (note, checkpoint!.Size)
            : throw new InvalidDataException($"The export has no checkpoint of {folder}.");

    private static byte[] Entry(ExportFiles files, string folder, long place, long size)
    {
        var index = place / LogTiles.Width;
        return place < size && files.Read($"{folder}/{LogTiles.BundlePath(index, LogTiles.WidthOf(0, index, size))}") is { } bytes
            && LogTiles.TryReadBundle(bytes, out var entries) && entries.Count > place % LogTiles.Width
            ? entries[(int)(place % LogTiles.Width)].ToArray()
            : throw new InvalidDataException($"The export has no entry {place} of {folder}.");
    }

    private static (long Place, byte[] Entry) LastEntryOf(ExportFiles files, uint slot, long slotSize, long size)
    {
        for (var place = size - 1; place >= 0; place--)
        {
            var entry = Entry(files, ExportFiles.Directory, place, size);
            if (DirectoryEntry.TryParse(entry, out var parsed) && !parsed!.IsOfKey && parsed.Slot == slot && parsed.Size == slotSize)
            {
                return (place, entry);
            }
        }
        throw new InvalidDataException($"The export's directory has no entry of slot {slot} at size {slotSize}.");
    }

    private static void Write(string path, byte[] proof, bool force)
    {
        using var output = OutputFile.Create(path, force);
        output.Stream.Write(proof);
        output.Commit();
    }
}
