using System.Diagnostics.CodeAnalysis;
using KeyService.Crypto;
using KeyService.Hsm.Pkcs11;

namespace KeyService.Hsm.Hierarchy;

/// <summary>
/// The KEKs in use, the least recently used one leaving first. An entry keeps its blob, so that after a reconnect the key is unwrapped again when it is
/// next asked for. A handle in use is never destroyed: an entry that must go while somebody uses it goes when the last user is done.
/// </summary>
internal sealed class KekRegister(int capacity)
{
    private readonly Lock sync = new();
    private readonly Dictionary<KeyVersionId, Entry> entries = [];
    private readonly LinkedList<Entry> recent = new();

    internal int Count(long generation)
    {
        lock (sync)
        {
            return recent.Count(entry => entry.Handle.Generation == generation);
        }
    }

    internal bool Contains(KeyVersionId id)
    {
        lock (sync)
        {
            return entries.ContainsKey(id);
        }
    }

    /// <summary>Marks the KEK as used until <see cref="Release"/>. The handle may be of an earlier generation: the caller then loads it again.</summary>
    internal bool TryUse(KeyVersionId id, [NotNullWhen(true)] out Entry? entry, out KeyHandle handle)
    {
        lock (sync)
        {
            if (!entries.TryGetValue(id, out entry))
            {
                handle = default;
                return false;
            }
            entry.Users++;
            if (entry.Place != recent.First)
            {
                recent.Remove(entry.Place);
                recent.AddFirst(entry.Place);
            }
            handle = entry.Handle;
            return true;
        }
    }

    /// <summary>Ends a use. Returns the handle to destroy, when the entry left meanwhile and this was its last user.</summary>
    internal KeyHandle? Release(Entry entry)
    {
        lock (sync)
        {
            return --entry.Users == 0 && entry.HasLeft ? entry.Handle : null;
        }
    }

    internal KeyHandle CurrentHandle(Entry entry)
    {
        lock (sync)
        {
            return entry.Handle;
        }
    }

    internal void SetHandle(Entry entry, KeyHandle handle)
    {
        lock (sync)
        {
            entry.Handle = handle;
        }
    }

    /// <summary>Adds a KEK; returns the handles that must be destroyed: of keys that left, or the given one when the KEK was there already.</summary>
    internal List<KeyHandle> Add(KeyVersionId id, byte[] rootBlob, byte[] checkValue, KeyHandle handle)
    {
        List<KeyHandle> unused = [];
        lock (sync)
        {
            if (entries.TryGetValue(id, out var present))
            {
                if (present.Handle.Generation == handle.Generation)
                {
                    unused.Add(handle);
                    return unused;
                }
                present.Handle = handle;
                return unused;
            }
            var entry = new Entry(id, rootBlob, checkValue) { Handle = handle };
            entry.Place = recent.AddFirst(entry);
            entries.Add(id, entry);
            while (recent.Count > capacity && recent.Last is { } oldest && oldest.Value != entry)
            {
                Leave(oldest.Value, unused);
            }
        }
        return unused;
    }

    internal List<KeyHandle> Remove(KeyVersionId id)
    {
        List<KeyHandle> unused = [];
        lock (sync)
        {
            if (entries.TryGetValue(id, out var entry))
            {
                Leave(entry, unused);
            }
        }
        return unused;
    }

    private void Leave(Entry entry, List<KeyHandle> unused)
    {
        entries.Remove(entry.Id);
        recent.Remove(entry.Place);
        entry.HasLeft = true;
        if (entry.Users == 0)
        {
            unused.Add(entry.Handle);
        }
    }

    internal sealed class Entry(KeyVersionId id, byte[] rootBlob, byte[] checkValue)
    {
        internal KeyVersionId Id => id;

        internal byte[] RootBlob => rootBlob;

        internal byte[] CheckValue => checkValue;

        internal KeyHandle Handle { get; set; }

        internal int Users { get; set; }

        internal bool HasLeft { get; set; }

        internal LinkedListNode<Entry> Place { get; set; } = null!;
    }
}
